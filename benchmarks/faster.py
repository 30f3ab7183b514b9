"""How many slow tools become faster, by how much, and whether any of them gives something else.

`python benchmarks/faster.py [--json] [--seed N] [--tools N]`: 20 small tools that are sound but
slow, of the kinds that people write, and 13 that must stay as they are (`faster_tools.py`). Each
stands in a git repository of its own and is called a few times in the sandbox, so that the product
notices it; then it is found, raced, tested at the gate, approved and committed as `agora fix DIR
--faster --yes` does it, without any model. Old and new are compared on calls that the product has
not seen: by their values, exceptions, and what becomes of arguments and results. `--tools` takes
only so many of both kinds. Takes two to five minutes.
"""

import argparse
import asyncio
import copy
import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import agora.team  # noqa: E402
from agora.app import runs  # noqa: E402
from agora.domain.contracts import Json  # noqa: E402
from agora.domain.settings import load  # noqa: E402
from agora.team import Team, assemble  # noqa: E402
from benchmarks.faster_tools import KEPT, SLOW, Piece  # noqa: E402
from benchmarks.repair import PYTEST, committed  # noqa: E402
from memory.database import EmbeddedPostgres  # noqa: E402

CALLS = 4  # of each tool, before it is looked at
UNSEEN = 300  # calls that old and new are compared on
TIMED = 5  # of old and new, in turn
LIMITS: Json = {
    "repair.slow_s": 0.01,  # what takes two seconds in use would take this benchmark hours
    "repair.executions": CALLS,
    "ollama.host": "http://127.0.0.1:9",  # nobody is there
    "alerts.per_hour": 1000,
}


@dataclass(frozen=True)
class Told:
    """What became of one tool."""

    piece: Piece
    is_changed: bool
    ratio: float  # times as fast, on a call that the product has not seen
    differs: str  # the first call on which old and new differ, "" for none
    how: str  # what was done, or why nothing was
    seconds: float


async def speed_up(team: Team, running: Any, root: Path, piece: Piece, seed: int) -> Told:
    """Let one tool be used, improved and judged."""
    chance = random.Random(f"{seed} {piece.name}")
    committed(root, {piece.path: piece.source, f"test_{piece.path}": piece.tested(chance)})
    for _ in range(CALLS):
        given = piece.draw(chance, piece.size)
        called = await team.tooling.run(str(root), piece.tool, given)
        assert called.error is None, f"{piece.name}: {called.error}"
    began = time.monotonic()
    how = await _improved(team, running, root, piece)
    seconds = time.monotonic() - began
    text = (root / piece.path).read_text("utf-8")
    assert not subprocess.run(
        ["git", "status", "--porcelain"], cwd=root, capture_output=True, check=True
    ).stdout
    is_changed = text != piece.source
    return Told(
        piece,
        is_changed,
        ratio(piece, text, chance) if is_changed else 1.0,
        difference(piece, text, chance) if is_changed else "",
        how,
        seconds,
    )


async def _improved(team: Team, running: Any, root: Path, piece: Piece) -> str:
    """Do what `agora fix DIR --faster --yes` does, and return what came of it."""
    order = {"workspace": str(root), "test": PYTEST, "kinds": ["slow_tool"], "id": piece.name}

    def hear(piece: Json) -> None:
        """Nobody looks on."""

    state = await running.start("improvement", {"task": order}, f"fix-{piece.name}", hear)
    if state.get("status"):
        return str(state.get("message", ""))
    row = await team.changing.find(state["change_id"])
    decision = {"type": "approve", "by": "operator", "digest": row["digest"]}
    await team.changing.say(row["id"], decision)
    await running.answer("improvement", decision, row["thread_id"], hear)
    return str(row["title"])


def difference(piece: Piece, text: str, chance: random.Random) -> str:
    """Return the first call on which a version gives something else; "" for none."""
    calls = [piece.draw(chance, chance.randint(0, piece.small)) for _ in range(UNSEEN)]
    old, new = piece.given(piece.source), piece.given(text)
    for call in [*piece.odd, *calls]:
        if _outcome(old, call) != _outcome(new, call):
            return repr(call)
    return ""


def _outcome(function: Any, call: Json) -> list[str]:
    """Return what a call gives, and gives again after its result was altered, and its arguments."""
    told = []
    for _ in range(2):
        given = copy.deepcopy(call)
        try:
            answer = function(**given)
        except Exception as error:
            told += [type(error).__name__, _shown(given)]
            continue
        told += [_shown(answer), _shown(given), str([answer is one for one in given.values()])]
        if isinstance(answer, list | dict | set):
            answer.clear()
    return told


def _shown(value: Any) -> str:
    """Return a value with the kinds of its parts."""
    if isinstance(value, dict):
        return str([(key, _shown(one)) for key, one in value.items()])
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}{[_shown(one) for one in value]}"
    return f"{type(value).__name__} {value!r}"


def ratio(piece: Piece, text: str, chance: random.Random) -> float:
    """Return how many times as fast a version is, each call with nothing remembered."""
    found = []
    for _ in range(TIMED):
        call = piece.draw(chance, piece.size)
        found.append(_seconds(piece, piece.source, call) / _seconds(piece, text, call))
    return median(found)


def _seconds(piece: Piece, text: str, call: Json) -> float:
    function, given = piece.given(text), copy.deepcopy(call)
    began = time.perf_counter()
    function(**given)
    return time.perf_counter() - began


def summary(told: list[Told]) -> Json:
    """Return the figures; seconds are those of tools that became faster."""
    slow = [one for one in told if one.piece in SLOW]
    kept = [one for one in told if one.piece in KEPT]
    ratios = [one.ratio for one in slow if one.is_changed]
    seconds = [one.seconds for one in slow if one.is_changed] or [0.0]
    return {
        "faster": len(ratios),
        "slow": len(slow),
        "ratio_median": round(median(ratios), 1) if ratios else 0.0,
        "ratio_least": round(min(ratios), 1) if ratios else 0.0,
        "wrong": sum(bool(one.differs) for one in told),
        "changed": sum(one.is_changed for one in kept),
        "kept": len(kept),
        "median_s": round(median(seconds), 1),
        "max_s": round(max(seconds), 1),
    }


async def measure(seed: int, tools: int = len(SLOW), kept: int = len(KEPT)) -> list[Told]:
    """Speed up so many slow tools, and try so many that must stay as they are."""
    pieces = [one for one in chain(*zip_longest(SLOW[:tools], KEPT[:kept])) if one]
    found = []
    with tempfile.TemporaryDirectory(prefix="faster-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        postgres = EmbeddedPostgres(folder / "postgres")
        stated = LIMITS | {"database.url": await postgres.url(), "home": folder / "home"}
        team = assemble(load({}, **stated))
        agora.team.current = lambda: team
        try:
            async with runs.opened() as running:
                for piece in pieces:
                    one = await speed_up(team, running, folder / piece.name, piece, seed)
                    print(line(one), flush=True)
                    found.append(one)
        finally:
            await postgres.stop()
    return found


def line(one: Told) -> str:
    """Return one tool as a row of the table."""
    is_wrong = bool(one.differs) or (one.is_changed and one.piece in KEPT)
    said = f"{one.ratio:.1f} times" if one.is_changed else "kept"
    mark = f"WRONG {one.differs}" if is_wrong else one.how
    return f"{one.piece.name:10} {said:12} {one.seconds:5.1f} s  {one.piece.what}: {mark}"


def main() -> None:
    """Measure, tell of each tool, and print the figures on the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tools", type=int, default=max(len(SLOW), len(KEPT)))
    asked = parser.parse_args()
    found = summary(asyncio.run(measure(asked.seed, asked.tools, asked.tools)))
    print(json.dumps(found))
    sys.exit(1 if found["wrong"] or found["changed"] else 0)


if __name__ == "__main__":
    main()
