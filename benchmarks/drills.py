"""Fault drills: is every fault seen, mended, recorded, and no task lost?

`python benchmarks/drills.py [--json] [--seed N] [--only NAME …]`: about five minutes. Twelve kinds
of faults strike a team with a local and a cloud model, a real PostgreSQL, Redis and Chroma, while
tasks come in; two of them need the right to mount a file system of limited size. A worker's vigil
looks every 15 seconds of a time that the drill controls; everything else is as it is in use.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import psycopg  # noqa: E402

import agora.team  # noqa: E402
from agora.app import runs, selftest, snapshots  # noqa: E402
from agora.app.takeover import take_over  # noqa: E402
from agora.domain.contracts import Json  # noqa: E402
from agora.domain.settings import load  # noqa: E402
from memory.database import EmbeddedPostgres  # noqa: E402
from tests.controlled import LOOK_S, Watched  # noqa: E402
from tests.model_server import ModelServer  # noqa: E402
from tests.redis_server import RedisServer  # noqa: E402

ROOT = Path(__file__).parent.parent
LOCAL, CLOUD = "qwen3:8b", "gpt-4o-mini"
WITHIN_S, MITIGATED = 60.0, 11
DISK_MB = 320
"""Size of the file system that fills up: PostgreSQL alone takes a third of it."""
REFUSAL = "I'm sorry, but I can't help with that."
LEFT = """
SELECT count(*) AS tasks, count(*) FILTER (WHERE outcome IS NULL) AS lost,
       count(*) FILTER (WHERE status = 'answered') AS answered FROM tasks
"""
TOLD = "SELECT count(*) AS alerts FROM alerts"
OLD = """
INSERT INTO events (at, correlation_id, kind, body)
SELECT now() - interval '60 days', 'old', 'note',
       jsonb_build_object('text', repeat(md5(i::text), 60))
FROM generate_series(1, 2000) AS i
"""


@dataclass
class Model:
    """The local model, whose answers and pace a drill may change."""

    lies: bool = False

    def answer(self, messages: Any) -> str:
        """Answer, or refuse in words that no validator takes for an answer."""
        return REFUSAL if self.lies else "forty-two"


@dataclass
class Stage:
    """What a drill plays on."""

    watched: Watched
    running: runs.Runs
    local: ModelServer
    model: Model
    home: Path
    url: str
    postgres: EmbeddedPostgres
    redis: RedisServer
    asked: int = 0
    refused: int = 0
    struck_at: float = 0.0
    notes: Json = field(default_factory=dict)

    async def tasks(self, count: int, passing_s: float = 2.0) -> int:
        """Ask so many tasks in turn; return how many were answered at once."""
        answered = 0
        for _ in range(count):
            self.asked += 1
            self.watched.time.passes(passing_s)
            given = {"task": {"text": f"What is the number {self.asked} of these?"}}
            try:
                done = await self.running.start("task", given, f"drill-{self.asked}", _silent)
                answered += done["outcome"]["status"] == "answered"
            except Exception as error:  # whatever the fault does to a task is what is counted
                self.notes.setdefault("errors", []).append(f"{type(error).__name__}: {error}"[:120])
        return answered

    async def until(self, incident: str, looks: int = 4) -> float | None:
        """Look until an incident has begun or ended; return the controlled seconds since then."""
        begun = self.watched.time.ticks
        for _ in range(looks):
            if any(name.startswith(incident) for name in await self.watched.look()):
                return self.watched.time.ticks - begun
        return None


def _silent(told: Any) -> None:
    """Hear nothing."""


Drill = Callable[[Stage], Awaitable[float | None]]
DRILLS: dict[str, tuple[str, Drill]] = {}


def drill(incident: str) -> Callable[[Drill], Drill]:
    """Register a drill under its name, with the incident that it has to bring about."""

    def register(play: Drill) -> Drill:
        DRILLS[play.__name__] = incident, play
        return play

    return register


@drill("slow_model")
async def slow_model(stage: Stage) -> float | None:
    """The local model becomes thirty times slower, and quick again."""
    await stage.tasks(12)
    stage.local.manner.first_token_s = 1.5
    begun = stage.watched.time.ticks
    await stage.tasks(4)
    found = await stage.until("slow_model")
    took_s = None if found is None else stage.watched.time.ticks - begun
    stage.notes["during"] = await stage.tasks(3)
    stage.local.manner.first_token_s = 0.0
    stage.notes["closed"] = await stage.until("slow_model", 12)
    return took_s


@drill("dead_model")
async def dead_model(stage: Stage) -> float | None:
    """The server of the local model is gone, and comes back."""
    await stage.tasks(3)
    port, script = stage.local.port, stage.model.answer
    stage.local.__exit__()
    found = await stage.until("dead_model")
    stage.notes["during"] = await stage.tasks(3)
    with ModelServer(script, models=(LOCAL,), port=port):
        stage.notes["closed"] = await stage.until("dead_model", 8)
        await stage.tasks(2)
    return found


@drill("lying_model")
async def lying_model(stage: Stage) -> float | None:
    """The local model answers as quickly as before, and nothing that counts: two tasks a second."""
    await stage.tasks(40)
    stage.model.lies = True
    begun = stage.watched.time.ticks
    for _ in range(4):
        stage.notes["during"] = await stage.tasks(10, 0.5)
        if await stage.until("lying_model", 1) is not None:
            return stage.watched.time.ticks - begun
    return None


@drill("database_restarted")
async def database_restarted(stage: Stage) -> float | None:
    """PostgreSQL is stopped while tasks run, and started again."""
    await stage.tasks(3)
    await stage.watched.look()
    stage.local.manner.first_token_s = 1.0
    asking = asyncio.create_task(stage.tasks(2))
    await _until_busy(stage)
    await stage.postgres.stop()
    await stage.postgres.url()
    await asking
    stage.local.manner.first_token_s = 0.0
    found = await stage.until("database_restarted")
    stage.notes["during"] = await stage.tasks(3)
    stage.notes["closed"] = await stage.until("database_restarted")
    return found


async def _until_busy(stage: Stage) -> None:
    seen = len(stage.local.exchanges)
    async with asyncio.timeout(20):
        while len(stage.local.exchanges) == seen:
            await asyncio.sleep(0.02)


@drill("database_full")
async def database_full(stage: Stage) -> float | None:
    """The file system of the database is full of what is over."""
    await stage.tasks(3)
    await stage.watched.look()
    await asyncio.to_thread(_fill_database, stage.url, stage.home)
    asked = await stage.tasks(1)
    found = await stage.until("d")  # database_full, database_gone or disk_full
    await stage.watched.look(4)
    stage.notes |= {"at_once": asked, "during": await stage.tasks(3)}
    return found


def _fill_database(url: str, home: Path) -> None:
    """Write old events until nothing more fits, and take the last crumbs as well."""
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            while True:
                connection.execute(OLD)
    except psycopg.Error:
        _fill(home / "crumbs")


def _fill(place: Path, leave: int = 0) -> None:
    """Write into a file until the disk is full, but for so many bytes."""
    left = shutil.disk_usage(place.parent).free - leave
    with place.open("wb") as file:
        try:
            while left > 0:
                left -= file.write(bytes(min(left, 1 << 16)))
                file.flush()
        except OSError:
            pass


@drill("index_corrupt")
async def index_corrupt(stage: Stage) -> float | None:
    """Every file of the index is overwritten with something else."""
    await stage.tasks(3)
    await stage.watched.look(3)
    await stage.watched.team.indexing.catch_up()
    await stage.watched.team.indexing.close()
    for path in (stage.home / "index").rglob("*"):
        if path.is_file():
            path.write_bytes(b"this is no index" * 64)
    found = await stage.until("index_corrupt")
    stage.notes["during"] = await stage.tasks(3)
    stage.notes["closed"] = await stage.until("index_corrupt")
    return found


@drill("redis_gone")
async def redis_gone(stage: Stage) -> float | None:
    """Redis is killed, and started again with nothing in it."""
    await stage.tasks(3)
    await stage.watched.look()
    stage.redis.kill()
    found = await stage.until("redis_gone")
    stage.notes["during"] = await stage.tasks(3)
    stage.redis.start()
    stage.notes["closed"] = await stage.until("redis_gone", 8)
    return found


@drill("disk_full")
async def disk_full(stage: Stage) -> float | None:
    """The disk of the data folder fills up with snapshots that nobody has pruned."""
    await stage.tasks(3)
    first = await snapshots.create(stage.watched.team, "the first")
    await stage.watched.look()
    await asyncio.to_thread(_fill_with_snapshots, stage.home, first["id"])
    found = await stage.until("disk_full")
    stage.notes["during"] = await stage.tasks(3)
    stage.notes["closed"] = await stage.until("disk_full", 6)
    return found


def _fill_with_snapshots(home: Path, first: str) -> None:
    """Copy a snapshot, older each time, until the disk is full."""
    kept = home / snapshots.FOLDER
    report = json.loads((kept / first / snapshots.REPORT).read_text())
    for number in range(9):
        copied = kept / f"20200101-00000{number}"
        shutil.copytree(kept / first, copied)
        told = report | {"id": copied.name, "at": f"2020-01-0{number + 1}T00:00:00+00:00"}
        (copied / snapshots.REPORT).write_text(json.dumps(told))
        with (copied / "padding").open("wb") as file:
            file.write(bytes(8 * 2**20))
    _fill(kept / "20200101-000008" / "rest")


@drill("clock_jumped")
async def clock_jumped(stage: Stage) -> float | None:
    """The clock is set forward by three hours, beside another worker that lives."""
    await stage.tasks(3)
    await stage.watched.look()
    stage.watched.time.jump(3 * 3600)
    found = await stage.until("clock_jumped")
    stage.notes["during"] = await stage.tasks(3)
    stage.notes["closed"] = await stage.until("clock_jumped")
    return found


@drill("loop_blocked")
async def loop_blocked(stage: Stage) -> float | None:
    """Something runs in the event loop and does not let go for two seconds."""
    await stage.tasks(3)
    lag = stage.watched.team.monitoring.lag
    lag.watch()
    await asyncio.sleep(0.5)
    lag.taken()
    _stand_still(2.0)
    await asyncio.sleep(0.5)
    found = await stage.until("loop_blocked")
    stage.notes["during"] = await stage.tasks(3)
    stage.notes["closed"] = await stage.until("loop_blocked", 8)
    lag.close()
    return found


def _stand_still(seconds: float) -> None:
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        sum(range(1000))


@drill("process_lost")
async def worker_killed(stage: Stage) -> float | None:
    """A worker is killed while it does a task."""
    await stage.tasks(3)
    stage.local.fail("hang")
    before = len(stage.local.exchanges)
    victim = _victim(stage)
    try:
        async with asyncio.timeout(180):
            while len(stage.local.exchanges) == before or not await _beats(stage):
                await asyncio.sleep(0.1)
    finally:
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    await asyncio.sleep(LEASE_S + 0.5)  # a lease is on the database's clock, which nobody controls
    found = await stage.until("process_lost")
    stage.notes["during"] = await stage.tasks(3)
    stage.notes["closed"] = await stage.until("process_lost")
    return found


LEASE_S, CLAIM_S = 1.5, 30.0


def _victim(stage: Stage) -> subprocess.Popen[bytes]:
    named = {"DATABASE_URL": stage.url, "AGORA_HOME": str(stage.home / "victim")}
    named |= {"OLLAMA_HOST": stage.local.url, "AGORA_STAGE__LEASE_S": str(LEASE_S)}
    command = [sys.executable, "-W", "ignore", __file__, "--victim"]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | named, stderr=subprocess.DEVNULL)


async def _beats(stage: Stage) -> bool:
    rows = await stage.watched.team.monitoring.known()
    here = stage.watched.team.monitoring.itself
    ours = [row for row in rows if row["kind"] == "process" and row["name"] != here]
    if ours:  # this drill's day begins where the other process's clock is
        stage.watched.time.now = max(stage.watched.time.now, ours[0]["at"])
    return bool(ours)


async def victim() -> None:
    """Be a worker that does a task, until killed."""
    from agora.app.vigil import Vigil

    async with runs.opened() as running:
        watching = asyncio.create_task(Vigil.of(agora.team.current(), running).run())
        given = {"task": {"text": "What will become of me?", "id": "victim"}}
        await running.start("task", given, "victim", _silent)
        await watching


@drill("memory_short")
async def memory_short(stage: Stage) -> float | None:
    """Work of a capability takes more memory than the process may have, until it rests."""
    await stage.tasks(3)
    monitoring = stage.watched.team.monitoring
    own = (await monitoring.own())[-2]
    assert own.value is not None
    limits = monitoring.limits.model_copy(update={"process_mb": own.value + 150})
    monitoring.settings = monitoring.settings.model_copy(update={"health": limits})
    hoarding = asyncio.create_task(_hoard(stage))
    await asyncio.sleep(1.0)
    found = await stage.until("memory_short")
    stage.notes["during"] = await stage.tasks(3)
    closed = None
    for _ in range(8):
        await asyncio.sleep(0.3)
        closed = closed or await stage.until("memory_short", 1)
    stage.notes["closed"] = closed
    hoarding.cancel()
    return found


async def _hoard(stage: Stage) -> None:
    """Take memory as a job of a capability does, while the capability is on."""
    kept: bytearray | None = None
    is_over = False
    while True:
        if stage.watched.team.capabilities.has("scout") and not is_over:
            kept = kept or bytearray(b"x") * (400 * 2**20)
        elif kept:
            kept, is_over = None, True
        await asyncio.sleep(0.1)


NEEDS_DISK = ("database_full", "disk_full")
OWN_SERVER = ("database_restarted", "database_full")


@dataclass(frozen=True)
class Result:
    """How a drill went; seconds of controlled time."""

    name: str
    detected_s: float | None
    is_mitigated: bool
    is_recorded: bool
    lost: int
    tasks: int
    remedies: list[str]
    notes: Json

    def as_json(self) -> Json:
        """Return what is printed."""
        return dict(vars(self))


@contextmanager
def small_disk(is_wanted: bool) -> Iterator[Path]:
    """Yield a folder, on a file system of its own where it has to fill up."""
    with tempfile.TemporaryDirectory(prefix="agora-drill-", ignore_cleanup_errors=True) as folder:
        if is_wanted:
            options = ["-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=755", "none", folder]
            subprocess.run(["mount", *options], check=True)
        try:
            yield Path(folder)
        finally:
            if is_wanted:
                subprocess.run(["umount", "-l", folder], check=True)


@asynccontextmanager
async def staged(name: str, shared: EmbeddedPostgres) -> AsyncIterator[Stage]:
    """Set everything up for one drill."""
    async with AsyncExitStack() as stack:
        home = stack.enter_context(small_disk(name in NEEDS_DISK))
        postgres = EmbeddedPostgres(home / "postgres") if name in OWN_SERVER else shared
        url = await _database(postgres, name, name in OWN_SERVER)
        if name in OWN_SERVER:
            stack.push_async_callback(postgres.stop)
        model, redis = Model(), RedisServer.started()
        stack.callback(redis.close)
        local = ModelServer(model.answer, models=(LOCAL,)).__enter__()
        stack.callback(_stop, local)
        cloud = ModelServer(
            lambda messages: "forty-two", models=(CLOUD,), prices={CLOUD: (0.15, 0.6)}
        )
        stack.enter_context(cloud)
        named: Json = {"database.url": url, "home": home, "redis.url": redis.url}
        if name in OWN_SERVER:
            del named["database.url"]  # embedded: it may be started again
        named |= {"ollama.host": local.url, "ollama.models": (LOCAL,), "openai.api_key": "sk"}
        named |= {"openai.base_url": cloud.openai_url, "openai.models": (CLOUD,)}
        named |= {"stage.lease_s": LEASE_S if name == "worker_killed" else CLAIM_S}
        named |= {"capabilities.cache": False, "memory.judge_pairs": 0}
        named |= {"memory.pulse_s": 0, "auction.value_usd": 0.01}
        team = agora.team.assemble(load({}, **named))
        agora.team.current = lambda: team
        running = await stack.enter_async_context(runs.opened())
        watched = Watched(team, running)
        kept = {"disk_full": "disk_percent", "loop_blocked": "lag_s"}.get(name)
        if kept:  # all other limits of this machine are set aside: others use it, too
            as_shipped = {kept: getattr(team.settings.health, kept)}
            limits = team.monitoring.limits.model_copy(update=as_shipped)
            told = team.monitoring.settings.model_copy(update={"health": limits})
            team.monitoring.settings = told
        yield Stage(watched, running, local, model, home, url, postgres, redis)


def _stop(server: ModelServer) -> None:
    with suppress(RuntimeError):  # a drill has stopped it
        server.__exit__()


async def _database(postgres: EmbeddedPostgres, name: str, is_own: bool) -> str:
    url = await postgres.url()
    if is_own:
        return url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "drill_{name}"')
    return url.replace(":@/postgres?", f":@/drill_{name}?")


async def _left(stage: Stage) -> list[Any]:
    """Take runs over until none is left: a full disk also keeps a run from leaving its claim."""
    until = time.monotonic() + CLAIM_S + 5
    while True:
        await take_over(stage.running.graphs)
        rows = await _asked(stage, LEFT)
        if not rows[0]["lost"] or time.monotonic() > until:
            return rows
        await asyncio.sleep(1)


async def play(name: str, shared: EmbeddedPostgres, chance: random.Random) -> Result:
    """Play one drill, and count what it has done."""
    incident, act = DRILLS[name]
    async with staged(name, shared) as stage:
        stage.watched.time.passes(LOOK_S * chance.random())
        detected_s = await act(stage)
        rows = await _left(stage)
        alerts = (await _asked(stage, TOLD))[0]["alerts"]
        incidents = await stage.watched.vigil.healing.newest(20)
    known = [one for one in incidents if one["evidence"]["fault"].startswith(incident)]
    if name == "database_full":
        wanted = ("database_full", "database_gone", "disk_full")
        known = [one for one in incidents if one["evidence"]["fault"] in wanted]
    applied = [one for each in known for one in each["evidence"]["remedies"]]
    worked = [one["remedy"] for one in applied if "error" not in one]
    answers_on = stage.notes.get("during", 0) >= 3
    return Result(
        name=name,
        detected_s=detected_s,
        is_mitigated=bool(worked) and answers_on and not alerts,
        is_recorded=bool(known),
        lost=rows[0]["lost"],
        tasks=rows[0]["tasks"],
        remedies=worked,
        notes=stage.notes,
    )


async def _asked(stage: Stage, query: Any) -> list[Any]:
    async with stage.watched.team.database.autocommit() as connection:
        return await (await connection.execute(query)).fetchall()


def figures(results: list[Result]) -> Json:
    """Return what is promised, and how it stands."""
    seen = [one.detected_s for one in results if one.detected_s is not None]
    return {
        "kinds": len(results),
        "mitigated": sum(one.is_mitigated for one in results),
        "detected": sum(s <= WITHIN_S for s in seen),
        "slowest_detection_s": max(seen, default=None),
        "recorded": sum(one.is_recorded for one in results),
        "tasks": sum(one.tasks for one in results),
        "tasks_lost": sum(one.lost for one in results),
        "drills": {one.name: one.as_json() for one in results},
    }


def is_kept(found: Json) -> bool:
    """Return whether what is promised of these drills holds."""
    kinds = found["kinds"]
    most_mitigated = found["mitigated"] >= kinds - (12 - MITIGATED)
    return (
        most_mitigated
        and found["detected"] == found["recorded"] == kinds
        and not found["tasks_lost"]
    )


def show(one: Result) -> None:
    """Print the line of a drill."""
    seen = "not seen" if one.detected_s is None else f"{one.detected_s:.0f} s"
    mended = "mended" if one.is_mitigated else "NOT MENDED"
    by = ", ".join(dict.fromkeys(one.remedies)) or "nothing"
    print(f"{one.name:<20}{seen:>9}  {mended:<11}{one.tasks:>4} tasks, {one.lost} lost; {by}")


async def main(seed: int, names: list[str]) -> Json:
    """Play all drills, one after the other."""

    async def baseline() -> Json:
        return {"p50_ms": 50.0}  # no drill is about how fast the core is

    selftest.baseline = baseline
    chance, results = random.Random(seed), []
    with tempfile.TemporaryDirectory(prefix="agora-drills-", ignore_cleanup_errors=True) as folder:
        shared = EmbeddedPostgres(Path(folder) / "postgres")
        for name in names:
            results.append(await play(name, shared, chance))
            show(results[-1])
        await shared.stop()
    return figures(results)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=[*DRILLS], help="these drills alone")
    parser.add_argument("--victim", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.victim:
        asyncio.run(victim())
        sys.exit()
    found = asyncio.run(main(chosen.seed, chosen.only or [*DRILLS]))
    print(f"{found['mitigated']} of {found['kinds']} mended, {found['tasks_lost']} tasks lost")
    if chosen.json:
        print(json.dumps(found, default=str))
    sys.exit(0 if is_kept(found) else 1)
