"""A day of two improvement loops over one workspace, with the clock under control.

`python benchmarks/loop.py [--json] [--seed N] [--hours H] [--kills N]`: 20 tools of which 8 break
at random times (six so that tests show it, two so that only use does), and one bad deployment that
passes every test. Two loops in two processes look every five minutes; tools are called for real,
in the sandbox, twice an hour; a person answers at the next tick. Whatever happens is read from the
product's own records. Takes about ten minutes on two cores. With `--kills` it measures instead how
a cycle survives kill -9 at so many random instants; about eight seconds each.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import agora.team  # noqa: E402
from agora.app import runs  # noqa: E402
from agora.domain.contracts import Change, Json, ToolCall  # noqa: E402
from agora.domain.repair.diffs import unified  # noqa: E402
from agora.domain.settings import load  # noqa: E402
from agora.team import Team, assemble  # noqa: E402
from agora.team.acting import standing_alone  # noqa: E402
from benchmarks.loop_kills import UNFLUSHED, measure  # noqa: E402
from benchmarks.loop_tools import BEYOND, HIDDEN, PIECES, SHOWN, Piece  # noqa: E402
from memory.database import EmbeddedPostgres  # noqa: E402

TICK = timedelta(minutes=5)
CALL_EVERY = 6  # ticks
WARM_UP = 12  # ticks: the first hour
START = datetime(2026, 1, 1, tzinfo=UTC)
LOOPS = ("first", "second")
SEARCH_S = 20.0
LIMITS: Json = {"repair.probes": 0, "alerts.per_hour": 1000}
DOUBLES = """
SELECT count(*) AS doubles FROM (
    SELECT FROM changes WHERE takes_back = '' GROUP BY workspace, subject, digest
    HAVING count(*) > 1) AS twice
"""
APPLIED = """
SELECT count(*) AS times FROM changes
WHERE subject = %s AND takes_back = '' AND thread_id LIKE 'loop-%%'
  AND status IN ('applied', 'reverted')
"""
TOLD = """
SELECT min(at) AS at FROM alerts
WHERE kind <> 'approval' AND (position(%(subject)s IN subject) > 0
      OR position(%(test)s IN text) > 0)
"""


@dataclass
class Day:
    """One simulated day: the workspace, who uses it, and what has gone wrong in it so far."""

    team: Team
    runs: Any
    workspace: Path
    chance: random.Random
    now: datetime = START
    breaks: dict[int, tuple[Piece, str]] = field(default_factory=dict)  # tick → what, and how
    bad: tuple[int, Piece] | None = None
    broken_at: dict[str, datetime] = field(default_factory=dict)
    bad_id: str = ""
    calls: int = 0

    def plan(self, ticks: int) -> None:
        """Draw what breaks when; the first within the first hour, so that all has been in use."""
        shown, hidden = self.chance.sample(SHOWN, 6), self.chance.sample(HIDDEN, 3)
        late = ticks * 2 // 3  # what breaks must have the time to show itself
        times = self.chance.sample(range(WARM_UP, late), 8)
        plan = [(piece, piece.broken) for piece in shown]
        plan += [(piece, piece.hidden) for piece in hidden[:2]]
        self.breaks = dict(zip([WARM_UP // 2, *times], plan, strict=False))
        self.bad = (times[7], hidden[2])

    async def happen(self, tick: int) -> None:
        """Let a colleague break a tool, or a person deploy a bad change."""
        if tick in self.breaks:
            piece, how = self.breaks[tick]
            self.broken_at[piece.name] = self.now
            files = {piece.path: piece.worse(how)}
            message = f"Simplify {piece.name}"
            await self.team.changing.commit_files(str(self.workspace), files, message)
        if self.bad and tick == self.bad[0]:
            await self._deploy(self.bad[1])

    async def _deploy(self, piece: Piece) -> None:
        changed = {piece.path: (piece.source.encode(), piece.worse(piece.hidden).encode())}
        change = Change(
            id=f"bad-{piece.name}",
            subject=piece.path,
            workspace=str(self.workspace),
            base=await self.team.changing.subjects["patch"].head(str(self.workspace)),
            diff=unified(changed),
            at=self.now.isoformat(timespec="seconds"),
            title=f"Simplify {piece.name}",
        )
        self.bad_id = change.id
        with standing_alone(change.id, "deploying"):
            await self.team.changing.propose(change, None, {})
            await self.team.changing.hear(change.id, {"type": "approve", "by": "person"})
            await self.team.changing.deploy(change.id)

    async def answer(self) -> None:
        """Say yes to whatever waits."""
        for row in await self.team.changing.waiting():
            decision = {"type": "approve", "by": "person", "digest": row["digest"]}
            await self.team.changing.say(row["id"], decision)
            await self.runs.answer("improvement", decision, row["thread_id"], lambda piece: None)

    async def use(self) -> None:
        """Call every tool once; of those that can break unseen, most calls show it."""
        places = asyncio.Semaphore(2)

        async def call(piece: Piece) -> None:
            async with places:
                await self.call(piece)

        await asyncio.gather(*(call(piece) for piece in PIECES))

    async def call(self, piece: Piece, given: Json | None = None) -> bool:
        """Call a tool and judge the result by its documentation; return whether it was right."""
        if given is None:
            beyond = piece.name in BEYOND and self.chance.random() < 0.7
            given = BEYOND[piece.name] if beyond else piece.draw(self.chance)
        right = []

        def judge(call: ToolCall) -> bool:
            right.append(call.error is None and call.result == piece.truth(**given))
            return right[-1]

        await self.team.tooling.run(str(self.workspace), piece.tool, given, judge=judge)
        self.calls += 1
        return right[-1]

    async def is_sound(self, piece: Piece) -> bool:
        """Return whether a tool gives what it should, also where no test looks."""
        given = [piece.draw(self.chance) for _ in range(4)]
        given += [BEYOND[piece.name]] if piece.name in BEYOND else []
        return all([await self.call(piece, one) for one in given])

    async def ask(self, query: str, *parameters: Any) -> Json:
        """Return the one row of a query."""
        async with self.team.database.transaction() as connection:
            cursor = await connection.execute(query.encode(), *parameters)
            return dict(await cursor.fetchone() or {})


@dataclass(frozen=True)
class Process:
    """A loop in a process of its own."""

    running: asyncio.subprocess.Process

    async def tick(self, now: datetime) -> Json:
        """Let it be this late, and return what it did."""
        assert self.running.stdin and self.running.stdout
        self.running.stdin.write(f"{now.isoformat()}\n".encode())
        line = await self.running.stdout.readline()
        if not line:
            raise RuntimeError("a loop has died")
        return dict(json.loads(line))


@asynccontextmanager
async def looping(order: Json) -> AsyncIterator[list[Process]]:
    """Start the loops, each in a process."""
    script = str(Path(__file__).with_name("loop_process.py"))
    found = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "ignore", script, json.dumps(order | {"name": name})),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=10_000_000,
        )
        for name in LOOPS
    ]
    try:
        yield [Process(one) for one in found]
    finally:
        for one in found:
            one.kill()
            await one.wait()


async def simulate(day: Day, processes: list[Process], ticks: int) -> Json:
    """Live through the day and return what came of it."""
    began, warm, last, cycles = time.monotonic(), [0, 0], [0, 0], 0
    for tick in range(ticks):
        day.now = START + tick * TICK
        await day.happen(tick)
        if tick % CALL_EVERY == 0:
            await day.use()
        told = await asyncio.gather(*(one.tick(day.now) for one in processes))
        cycles += sum(bool(one["told"]) for one in told)
        last = [int(one["rss"]) for one in told]
        warm = last if tick == WARM_UP else warm
        await day.answer()
        if tick % 12 == 0:
            print(f"hour {tick // 12}: {len(day.broken_at)} broken", flush=True)
    judged = await judge(day)
    ratio = max(now / then for now, then in zip(last, warm, strict=True)) if all(warm) else None
    judged |= {"rss_ratio": round(ratio, 3) if ratio else None, "rss_mb": last[0] // 1_000_000}
    judged |= {"ticks": ticks, "cycles": cycles, "calls": day.calls}
    return judged | {"seconds": round(time.monotonic() - began, 1)}


async def judge(day: Day) -> Json:
    """Return what became of each break, from files, calls and records."""
    repaired, reported, twice, unseen = 0, 0, 0, []
    for piece, _ in day.breaks.values():
        if piece.name not in day.broken_at:
            continue
        given = {"subject": f":{piece.path}:", "test": f"test_{piece.name}.py"}
        told = await day.ask(TOLD, given)
        times = int((await day.ask(APPLIED, [piece.path]))["times"])
        is_sound = await day.is_sound(piece)
        repaired += is_sound
        reported += not is_sound and told["at"] is not None
        twice += times > 1
        unseen += [] if is_sound or told["at"] else [piece.name]
    bad = await day.team.changing.find(day.bad_id) if day.bad_id else None
    doubles = int((await day.ask(DOUBLES))["doubles"])
    return {
        "breaks": len(day.broken_at),
        "repaired": repaired,
        "reported": reported,
        "unseen": unseen,
        "repaired_twice": twice,
        "bad_deployed": int(bad is not None),
        "reverted": int(bad is not None and bad["status"] == "reverted"),
        "doubles": doubles,
    }


@contextmanager
def workspace(folder: Path, chance: random.Random) -> Iterator[Path]:
    """Make the workspace of all tools."""
    root = folder / "workspace"
    root.mkdir()
    folder.chmod(0o711)
    for piece in PIECES:
        (root / piece.path).write_text(piece.source, "utf-8")
        (root / f"test_{piece.name}.py").write_text(piece.tests(chance), "utf-8")
    yield root


async def measured(seed: int, hours: float) -> Json:
    """Return the figures of one day."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="loop-", ignore_cleanup_errors=True) as name:
        postgres = EmbeddedPostgres(Path(name, "postgres"))
        stated = {"database.url": f"{await postgres.url()}{UNFLUSHED}"} | LIMITS
        with workspace(Path(name), chance) as root:
            try:
                return await _measured(stated, root, chance, round(hours * 12))
            finally:
                await postgres.stop()


async def _measured(stated: Json, root: Path, chance: random.Random, ticks: int) -> Json:
    home = root.parent / "home"
    found: list[Day] = []
    team = assemble(load({}, **stated | {"home": home}), lambda: found[0].now)
    agora.team.current = lambda: team
    files = {path.name: path.read_text("utf-8") for path in sorted(root.iterdir())}
    await team.changing.commit_files(str(root), files, "Begin")
    async with runs.opened() as running:
        day = Day(team, running, root, chance)
        found.append(day)
        day.plan(ticks)
        order = {"settings": stated, "home": str(home), "workspace": str(root)}
        async with looping(order | {"timeout_s": SEARCH_S}) as processes:
            return await simulate(day, processes, ticks)


def main() -> None:
    """Measure, and print one object on the last line; exit 1 where a promise is broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--kills", type=int, default=0, help="kill -9 so many cycles instead")
    asked = parser.parse_args()
    if asked.kills:
        told = asyncio.run(measure(asked.kills, asked.seed))
        print(json.dumps(told))
        sys.exit(told["survived"] < told["kills"])
    told = asyncio.run(measured(asked.seed, asked.hours))
    print(json.dumps(told))
    is_kept = told["repaired"] + told["reported"] == told["breaks"] and not told["doubles"]
    is_kept = is_kept and told["reverted"] == told["bad_deployed"] and not told["repaired_twice"]
    sys.exit(not is_kept)


if __name__ == "__main__":
    main()
