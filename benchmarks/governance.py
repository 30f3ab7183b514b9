"""What policy, log and labels cost a task, and whether any tampering with the log goes unseen.

`python benchmarks/governance.py [--json] [--seed N] [--pairs N] [--tampers N]`: the same cold task,
about a document of a workspace, with an instant model, is run with and without them, interleaved
in random order on one database; without means that acts are neither decided nor logged, and texts
get no labels. Then the log is edited, cut, extended, reordered and truncated at random, each in a
transaction that is rolled back, and verified: found means that the first bad entry is named. Takes
about a minute; the database is the one in DATABASE_URL, else an embedded one.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from agora.domain import labels  # noqa: E402
from agora.domain.signing import Signer, canonical, link  # noqa: E402
from agora.team import Team  # noqa: E402
from agora.team.acting import Acting  # noqa: E402
from benchmarks.injection import asking, write_good  # noqa: E402
from benchmarks.overhead import assembled, database, instant_model  # noqa: E402
from memory.checkpoints import open_saver  # noqa: E402
from memory.database import Row, Rows  # noqa: E402
from memory.decisions import Decisions, export  # noqa: E402
from tests import hostile  # noqa: E402

WARM_UP, PAIRS, TAMPERS, ENTRIES = 5, 40, 1000, 40
PROMISED_MS = 5.0
SET = """
UPDATE decisions SET body = %(body)s, hash = %(hash)s, signature = %(signature)s
WHERE seq = %(seq)s
"""
ADD = """
INSERT INTO decisions (seq, body, hash, signature)
VALUES (%(seq)s, %(body)s, %(hash)s, %(signature)s)
"""


@dataclass
class Found:
    """How long tasks took, in milliseconds, and which tampering was not found."""

    governed: list[float] = field(default_factory=list)
    free: list[float] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)
    tampers: int = 0
    missed: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    def figures(self) -> dict[str, Any]:
        """Return what outside checks read."""
        return {
            "with_ms": round(median(self.governed), 2),
            "without_ms": round(median(self.free), 2),
            "added_ms": round(median(self.differences), 2),
            "pairs": len(self.governed),
            "tampers": self.tampers,
            "found": self.tampers - len(self.missed),
            "missed": self.missed[:5],
            "kinds": dict(self.kinds),
        }


@contextmanager
def ungoverned() -> Iterator[None]:
    """Let acts be done undecided and unlogged, and texts have no labels."""

    async def undecided(*_: Any) -> Row:
        return {}

    free: list[tuple[Any, str, Any]] = [
        (Acting, "_decide", undecided),
        (Decisions, "keep_head", lambda *_: None),
        (labels, "of_texts", lambda *texts: set()),
    ]
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in free]
    for owner, name, instead in free:
        setattr(owner, name, instead)
    try:
        yield
    finally:
        for owner, name, was in kept:
            setattr(owner, name, was)


async def race(team: Team, saver: Any, folder: Path, pairs: int, chance: random.Random) -> Found:
    """Run the same kind of task with and without governance, as often."""
    workspace, ask, found = write_good(folder, 2 * (pairs + WARM_UP)), asking(saver), Found()
    for number in range(WARM_UP + pairs):
        took = {}
        for is_free in chance.sample([False, True], 2):
            text = hostile.question(2 * number + is_free)
            begun = time.perf_counter()
            if is_free:
                with ungoverned():
                    await ask({"text": text, "workspace": workspace})
            else:
                await ask({"text": text, "workspace": workspace})
            took[is_free] = 1000 * (time.perf_counter() - begun)
        if number >= WARM_UP:
            found.governed.append(took[False])
            found.free.append(took[True])
            found.differences.append(took[False] - took[True])
    return found


async def tamper(team: Team, found: Found, times: int, chance: random.Random) -> None:
    """Change the log at random, see what is found, and take the change back."""
    for number in range(ENTRIES):
        await team.acting.record("test", f"entry {number}", "allow")
    decisions = team.acting.decisions
    async with team.database.transaction() as connection:
        rows = [row async for row in export(connection)]
    forger = Signer(team.settings.folder / "forger")
    for _ in range(times):
        kind = chance.choice(list(KINDS))
        async with team.database.transaction() as connection:
            async with connection.transaction(force_rollback=True):
                first = await KINDS[kind](connection, rows, forger, chance)
                said = await decisions.verify(connection)
        found.tampers += 1
        found.kinds[kind] += 1
        if said.first_bad != first:
            found.missed.append(f"{kind} at {first}: named {said.first_bad}")


def _forged(row: Row, forger: Signer | None, **changes: Any) -> Row:
    """Return an entry with another content; signed by the forger's key, or as it was."""
    body = canonical(json.loads(row["body"]) | changes)
    told = row | {"body": body}
    if forger:
        digest = link(row["previous"], body)
        told |= {"hash": digest, "signature": forger.sign(digest)}
    return told


async def _edit(connection: Rows, rows: list[Row], forger: Signer, chance: random.Random) -> int:
    row = _previous(rows, chance.randrange(len(rows)))
    changed = chance.choice(
        [
            _forged(row, None, verdict="deny"),
            _forged(row, forger, verdict="deny", key=forger.public),
            _forged(row, forger, resource="something else"),
            row | {"signature": row["signature"][::-1]},
            row | {"hash": row["hash"][::-1]},
        ]
    )
    await connection.execute(SET.encode(), changed)
    return int(row["seq"])


async def _delete(connection: Rows, rows: list[Row], forger: Signer, chance: random.Random) -> int:
    row = chance.choice(rows)
    await connection.execute("DELETE FROM decisions WHERE seq = %s", [row["seq"]])
    return int(row["seq"])


async def _insert(connection: Rows, rows: list[Row], forger: Signer, chance: random.Random) -> int:
    """Push an entry in, or add one at the end, as a forger would sign it."""
    at = chance.randrange(len(rows) + 1)
    for row in reversed(rows[at:]):
        await connection.execute("UPDATE decisions SET seq = seq + 1 WHERE seq = %s", [row["seq"]])
    like = _previous(rows, min(at, len(rows) - 1))
    like |= {"previous": rows[at - 1]["hash"] if at else ""}
    await connection.execute(
        ADD.encode(), _forged(like | {"seq": at + 1}, forger, seq=at + 1, resource="forged")
    )
    return at + 1


async def _reorder(connection: Rows, rows: list[Row], forger: Signer, chance: random.Random) -> int:
    one, other = sorted(chance.sample(range(len(rows)), 2))
    first, second = rows[one]["seq"], rows[other]["seq"]
    for old, new in ((first, -1), (second, first), (-1, second)):
        await connection.execute("UPDATE decisions SET seq = %s WHERE seq = %s", [new, old])
    return int(first)


async def _truncate(
    connection: Rows, rows: list[Row], forger: Signer, chance: random.Random
) -> int:
    left = chance.randrange(len(rows))
    await connection.execute("DELETE FROM decisions WHERE seq > %s", [left])
    return left + 1


def _previous(rows: list[Row], place: int) -> Row:
    return rows[place] | {"previous": rows[place - 1]["hash"] if place else ""}


KINDS: dict[str, Callable[..., Any]] = {
    "edit": _edit,
    "delete": _delete,
    "insert": _insert,
    "reorder": _reorder,
    "truncate": _truncate,
}


async def main(pairs: int, tampers: int, seed: int) -> Found:
    """Set everything up once, and measure."""
    chance = random.Random(seed)
    with instant_model() as model_url, tempfile.TemporaryDirectory() as home:
        async with database() as url:
            async with assembled(url, model_url, home) as team, open_saver(url) as saver:
                found = await race(team, saver, Path(home) / "work", pairs, chance)
        # A log of its own: that of the race has hundreds of entries.
        async with database() as url, assembled(url, model_url, f"{home}/log") as team:
            await tamper(team, found, tampers, chance)
    return found


def show(figures: dict[str, Any]) -> None:
    """Print a table."""
    for name, value in figures.items():
        print(f"{name:12}{value}")
    print(f"promised: added_ms <= {PROMISED_MS:g}, every tampering found")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--tampers", type=int, default=TAMPERS)
    chosen = parser.parse_args()
    told = asyncio.run(main(chosen.pairs, chosen.tampers, chosen.seed)).figures()
    show(told)
    if chosen.json:
        print(json.dumps(told))
    sys.exit(0 if told["added_ms"] <= PROMISED_MS and not told["missed"] else 1)
