"""Many workers on one database: what is measured here, and what a million tasks a day would need.

`python benchmarks/scale.py [--json] [--seed N] [--tasks N]`: 1, 2 and 4 `agora worker` processes,
four tasks at once each, do what stands in line, so many tasks (108) for each worker: first with a
model that thinks for a second, then with one that answers at once. From the cores' time that a
task has cost workers and PostgreSQL, `scale_model.py` tells what 1, 10 and 100 workers would bear,
each on a core of its own, and what limits them. Takes three minutes.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

import agora.team  # noqa: E402
from agora.app import jobs  # noqa: E402
from agora.domain.settings import load  # noqa: E402
from agora.team import Team  # noqa: E402
from benchmarks.scale_model import DAY_S, Costs, Site, simulate  # noqa: E402
from memory.checkpoints import open_saver  # noqa: E402
from memory.database import EmbeddedPostgres  # noqa: E402
from tests.model_server import ModelServer  # noqa: E402
from tests.serving import Process, ending, environment  # noqa: E402

TASKS, WORKERS, SLOTS, MODEL_S = 108, (1, 2, 4), 4, 1.0
PROMISED = {2: 1.9, 4: 3.6}
SIMULATED, A_DAY = (1, 10, 100), 1_000_000
MODEL = "qwen3:8b"
LOOK_S = 0.1  # between two looks: each costs the database what a worker could use
DONE = "SELECT count(*) AS n FROM tasks WHERE status <> 'open' AND thread_id LIKE %s"
FAILED = "SELECT count(*) AS n FROM tasks WHERE status NOT IN ('open', 'answered')"
WHY = "SELECT outcome FROM tasks WHERE status NOT IN ('open', 'answered') LIMIT 1"


@dataclass(frozen=True)
class Measured:
    """How fast a batch was done, and what one task has cost of cores, in seconds."""

    per_s: float
    worker_s: float
    database_s: float


@dataclass
class Bench:
    """A database with a team on it, a model, and workers to be started."""

    team: Team
    models: ModelServer
    env: dict[str, str]
    folder: Path
    postmaster: psutil.Process

    async def count(self, query: Any, *parameters: Any) -> int:
        """Return what a query counts."""
        async with self.team.database.autocommit() as connection:
            row = await (await connection.execute(query, parameters)).fetchone()
        assert row
        return int(row["n"])

    async def why(self) -> str:
        """Return what a task that has failed says of it."""
        async with self.team.database.autocommit() as connection:
            row = await (await connection.execute(WHY)).fetchone()
        return str(row and {name: row["outcome"][name] for name in ("status", "answer", "error")})

    async def batch(self, name: str, workers: int, tasks: int, model_s: float) -> Measured:
        """Let so many workers do a batch of tasks that stands in line when all of them are up."""
        self.models.manner.first_token_s = model_s
        crew = [self._worker(f"{name}-{number}") for number in range(workers)]
        with ending(*crew), ExitStack() as stack:
            for one in crew:
                one.start()
                stack.callback(one.stop)
            while not all("working" in one.said() for one in crew):
                await asyncio.sleep(0.1)
            # A worker's first task loads what all others find: not what is measured here.
            await self._accept(f"warm-{name}", workers * SLOTS)
            await self._put_in_line(f"warm-{name}", workers * SLOTS)
            await self._until(DONE, workers * SLOTS, f"warm-{name}-%")
            await self._accept(name, tasks)
            before = self._cpu_s(crew)
            begun = time.monotonic()
            await self._put_in_line(name, tasks)
            await self._until(DONE, tasks, f"{name}-%")
            took_s = time.monotonic() - begun
            spent = [after - old for after, old in zip(self._cpu_s(crew), before, strict=True)]
        return Measured(tasks / took_s, spent[0] / tasks, spent[1] / tasks)

    def _worker(self, name: str) -> Process:
        return Process(
            ("worker", "--concurrency", str(SLOTS)), self.env, self.folder / f"{name}.log"
        )

    async def _until(self, query: Any, wanted: int, *parameters: Any) -> None:
        while await self.count(query, *parameters) != wanted:
            await asyncio.sleep(LOOK_S)

    async def _accept(self, name: str, tasks: int) -> None:
        """Accept tasks, as a server does that dies at once."""
        for number in range(tasks):
            thread_id, text = f"{name}-{number}", f"Which number follows {name}{number}? Say: next"
            given = {"task": {"id": thread_id, "text": text}}
            await self.team.holding.announce(thread_id, "intake", given, timedelta())

    async def _put_in_line(self, name: str, tasks: int) -> None:
        """Let workers find accepted tasks in line."""
        threads = [f"{name}-{number}" for number in range(tasks)]
        await asyncio.gather(
            *(jobs.later("go_on", f"go on with {one}", thread_id=one) for one in threads)
        )

    def _cpu_s(self, crew: list[Process]) -> tuple[float, float]:
        backends = [self.postmaster, *self.postmaster.children()]
        workers = [psutil.Process(one.running.pid) for one in crew]
        return _spent(workers), _spent(backends)


def _spent(processes: list[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return float(sum(one.user + one.system for one in times))


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    """Yield everything that a batch needs."""
    with tempfile.TemporaryDirectory(prefix="agora-scale-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres")
        url = await postgres.url()
        pid = int((Path(folder) / "postgres" / "postmaster.pid").read_text().split()[0])
        with ModelServer(models=(MODEL,)) as models:
            named = {"database.url": url, "home": folder, "ollama.host": models.url}
            team = agora.team.assemble(load({}, **named))
            agora.team.current = lambda: team
            async with open_saver(await team.database.url()), jobs.connected():
                # All questions are alike here: a judge of neighbours would think longer than all.
                quiet = {"AGORA_MEMORY__JUDGE_PAIRS": "0"}
                env = environment(url, Path(folder), OLLAMA_HOST=models.url, **quiet)
                yield Bench(team, models, env, Path(folder), psutil.Process(pid))
            await team.close()
        await postgres.stop()


async def measure(tasks: int) -> tuple[dict[str, dict[int, Measured]], int]:
    """Do a batch with each number of workers, of tasks that wait and of tasks that do not.

    Return what each has taken, and how many tasks have failed in all.
    """
    found: dict[str, dict[int, Measured]] = {"waiting": {}, "instant": {}}
    async with bench() as one:
        for kind, model_s in (("waiting", MODEL_S), ("instant", 0.0)):
            for workers in WORKERS:
                name = f"{kind}{workers}"
                made = await one.batch(name, workers, workers * tasks, model_s)
                found[kind][workers] = made
                print(f"{kind} {workers} workers: {made.per_s:6.2f} tasks a second", flush=True)
        failed = await one.count(FAILED)
        if failed:
            print(f"{failed} tasks have failed: {await one.why()}")
    return found, failed


def figures(found: dict[str, dict[int, Measured]], tasks: int, seed: int) -> dict[str, Any]:
    """Return what was measured, and what the model says of more workers."""
    waiting, instant = found["waiting"], found["instant"]
    costs = Costs(instant[1].worker_s, instant[1].database_s, MODEL_S)
    told: dict[str, Any] = {"tasks_a_worker": tasks, "cores": os.cpu_count()}
    told["load"] = round(os.getloadavg()[0], 1)
    for workers in WORKERS:
        told[f"waiting_{workers}_per_s"] = round(waiting[workers].per_s, 2)
        told[f"instant_{workers}_per_s"] = round(instant[workers].per_s, 2)
    for workers in PROMISED:
        told[f"speedup_{workers}"] = round(waiting[workers].per_s / waiting[1].per_s, 2)
        told[f"instant_speedup_{workers}"] = round(instant[workers].per_s / instant[1].per_s, 2)
    told |= {"core_ms": round(1000 * costs.core_s, 1)}
    told |= {"database_ms": round(1000 * costs.database_s, 1)}
    told["model"] = [_foretold(Site(workers, SLOTS), costs, seed) for workers in SIMULATED]
    part, slots = _needed(costs)
    return told | {"workers_for_a_million": slots, "limit_of_a_million": part}


def _foretold(site: Site, costs: Costs, seed: int) -> dict[str, Any]:
    part, most = site.bottleneck(costs)
    waits = simulate(site, costs, 0.8 * most, 20_000, seed)
    return {
        "workers": site.workers,
        "limited_by": part,
        "per_s": round(most, 2),
        "a_day": round(most * DAY_S),
        "p50_s_at_80": round(waits.p50_s, 2),
        "p95_s_at_80": round(waits.p95_s, 2),
    }


def _needed(costs: Costs) -> tuple[str, int | None]:
    """Return how many workers bear a million tasks a day at 80 %, or what forbids it."""
    wanted = A_DAY / DAY_S / 0.8
    for workers in range(1, 1001):
        part, most = Site(workers, SLOTS).bottleneck(costs)
        if most >= wanted:
            return part, workers
    return part, None


def show(told: dict[str, Any]) -> None:
    """Print the tables."""
    print(f"\n{'workers':>8}{'waiting/s':>12}{'speed-up':>10}{'promised':>10}{'instant/s':>12}")
    for workers in WORKERS:
        promised = f"≥ {PROMISED[workers]}" if workers in PROMISED else ""
        speedup = told.get(f"speedup_{workers}", "")
        rate, instant = told[f"waiting_{workers}_per_s"], told[f"instant_{workers}_per_s"]
        print(f"{workers:>8}{rate:>12}{speedup:>10}{promised:>10}{instant:>12}")
    core, database = told["core_ms"], told["database_ms"]
    print(f"\na task: {core} ms of a worker's core, {database} ms of the database's")
    print(f"{'workers':>8}{'tasks a day':>14}{'limited by':>12}{'p50 s':>8}{'p95 s':>8}")
    for one in told["model"]:
        print(
            f"{one['workers']:>8}{one['a_day']:>14,}{one['limited_by']:>12}"
            f"{one['p50_s_at_80']:>8}{one['p95_s_at_80']:>8}"
        )
    print(f"a million tasks a day: {told['workers_for_a_million']} workers")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tasks", type=int, default=TASKS)
    chosen = parser.parse_args()
    measured, failed = asyncio.run(measure(chosen.tasks))
    result = figures(measured, chosen.tasks, chosen.seed) | {"failed": failed}
    show(result)
    if chosen.json:
        print(json.dumps(result))
    is_kept = all(result[f"speedup_{n}"] >= wanted for n, wanted in PROMISED.items())
    sys.exit(0 if is_kept and not failed else 1)
