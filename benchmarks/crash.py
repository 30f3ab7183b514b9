"""Any process killed at any moment, under load: is what was accepted done, and done once?

`python benchmarks/crash.py [--json] [--seed N] [--kills N] [--servers N] [--workers N]`: two
servers with a worker each and one more worker, all on one PostgreSQL, are killed with -9 at random,
200 times, and begun again at once. Clients hand in tasks and repairs all the while, at whichever
server answers, and approve what waits. In the end each accepted task must be answered, each repair
be one commit in a clean work tree and its run have ended, the decision log be whole. Takes 20
minutes on two idle cores.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))

import agora.team  # noqa: E402
from agora.domain.settings import load  # noqa: E402
from memory import extensions  # noqa: E402
from memory.database import EmbeddedPostgres  # noqa: E402
from tests.conftest import repository, sh  # noqa: E402
from tests.improving import FILES, MENDED, decided  # noqa: E402
from tests.model_server import ModelServer  # noqa: E402
from tests.serving import Process, Server, ending, environment, new_server  # noqa: E402

KILLS, SERVERS, WORKERS, CLIENTS = 200, 2, 1, 3
LEASE_S, PAUSE_S, PATIENCE_S = 10.0, 4.0, 600.0
THINKS_S = 0.5
WRONG = ("tasks_lost", "callers_unsettled", "repairs_lost", "repairs_stopped", "effects_twice")
NOT_KNOWN = "handed in, and its server died before it said so"
APPROVE = {"resume": decided({"type": "approve"})}
TASKS = "SELECT id, status FROM tasks"
UNSETTLED = "SELECT count(*) FROM runs WHERE status IN ('pending', 'running')"


@dataclass
class Books:
    """What clients know: what was accepted, and how it has ended."""

    tasks: dict[str, str] = field(default_factory=dict)  # id -> outcome's status
    repairs: dict[str, str] = field(default_factory=dict)  # workspace -> what was said of it
    killed: list[str] = field(default_factory=list)
    slowest_s: float = 0.0  # from a run's acceptance to its end


@dataclass
class Site:
    """Processes that are killed, and the clients' view of them."""

    servers: list[Server]
    workers: list[Process]
    chance: random.Random
    folder: Path
    books: Books = field(default_factory=Books)
    is_over: bool = False

    @property
    def processes(self) -> list[Process]:
        """Return what was started here; each server has a worker of its own beside these."""
        return [*self.servers, *self.workers]

    async def kill(self) -> None:
        """Kill one process of any kind, and begin it again."""
        chosen = self.chance.choice(self.processes)
        victims = [psutil.Process(chosen.running.pid)]
        with suppress(psutil.NoSuchProcess):
            victims += chosen.children()
        victim = self.chance.choice(victims)
        name = chosen.command[0]
        with suppress(psutil.NoSuchProcess):
            if victim.pid != chosen.running.pid:
                name = f"{name}'s {victim.name()}"
            victim.send_signal(signal.SIGKILL)
        self.books.killed.append(name)
        if victim.pid == chosen.running.pid:
            await asyncio.to_thread(chosen.running.wait)
            Process.start(chosen)  # without waiting until it is ready

    async def ask(self, path: str, body: Any = None) -> Any:
        """Ask whichever server answers; None: it refused, or died before we had its answer."""
        server = self.chance.choice(self.servers)
        try:
            async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
                method = "GET" if body is None else "POST"
                answer = await client.request(method, path, json=body)
                return answer.json() if answer.is_success else None
        except (httpx.HTTPError, ValueError):
            await asyncio.sleep(0.3)
            return None

    async def hand_in(self, graph: str, given: Any) -> str | None:
        """Have a run accepted and return its thread; None: nobody has said that it is."""
        thread = await self.ask("/threads", {})
        while thread is None:
            thread = await self.ask("/threads", {})
        run = {"assistant_id": graph, "input": given}
        accepted = await self.ask(f"/threads/{thread['thread_id']}/runs", run)
        return str(thread["thread_id"]) if accepted else None

    async def ended(self, thread_id: str) -> Any:
        """Wait until no run of a thread goes on, and return its state."""
        begun = time.monotonic()
        while time.monotonic() < begun + PATIENCE_S:
            thread = await self.ask(f"/threads/{thread_id}")
            if thread and thread["status"] in ("idle", "interrupted", "error"):
                state = await self.ask(f"/threads/{thread_id}/state")
                if state:
                    took_s = time.monotonic() - begun
                    self.books.slowest_s = max(took_s, self.books.slowest_s)
                    return state | {"is": thread["status"]}
            await asyncio.sleep(0.3)
        return {"values": {}, "is": "lost"}


async def tasks_of(site: Site, number: int) -> None:
    """Hand in one task after the other, and see each of them end."""
    count = 0
    while not site.is_over:
        count += 1
        name = f"task-{number}-{count}"
        given = {"task": {"id": name, "text": f"Which number follows {name}? Say: the next"}}
        thread_id = await site.hand_in("task", given)
        if thread_id is None:
            continue
        site.books.tasks[name] = "accepted"
        state = await site.ended(thread_id)
        outcome = state["values"].get("outcome") or {}
        site.books.tasks[name] = str(outcome.get("status") or state["is"])


async def repairs_of(site: Site) -> None:
    """Have one workspace after the other repaired, and approve each patch."""
    while not site.is_over:
        root = site.folder / f"workspace-{len(site.books.repairs)}"
        await asyncio.to_thread(repository, root, FILES)
        site.books.repairs[str(root)] = NOT_KNOWN
        order = {"id": root.name, "workspace": str(root), "test": "pytest -q", "timeout_s": 20}
        thread_id = await site.hand_in("improvement", {"task": order})
        if thread_id is None:
            continue
        site.books.repairs[str(root)] = "accepted"
        state = await site.ended(thread_id)
        while state["is"] == "interrupted":
            asked = {"assistant_id": "improvement", "command": APPROVE}
            await site.ask(f"/threads/{thread_id}/runs", asked)
            state = await site.ended(thread_id)
        errors = [str(one["error"]) for one in state.get("tasks", []) if one.get("error")]
        said = [state["values"].get("status") or state["is"], *errors]
        said.append(state["values"].get("message", ""))
        site.books.repairs[str(root)] = "; ".join(map(str, said))


async def measure(
    seed: int, kills: int, servers: int, workers: int, pause_s: float = PAUSE_S
) -> dict[str, Any]:
    """Kill at random moments, on average so many seconds apart, and count."""
    async with site_of(seed, servers, workers) as (site, url):
        clients = [asyncio.create_task(tasks_of(site, number)) for number in range(CLIENTS)]
        clients.append(asyncio.create_task(repairs_of(site)))
        begun = time.monotonic()
        for number in range(kills):
            await asyncio.sleep(site.chance.uniform(0, 2 * pause_s))
            await site.kill()
            done = sum(status == "answered" for status in site.books.tasks.values())
            print(
                f"{number + 1} killed: {site.books.killed[-1]}; {done} tasks answered", flush=True
            )
        site.is_over = True
        await asyncio.wait_for(asyncio.gather(*clients), PATIENCE_S)
        took_s = time.monotonic() - begun
        return await figures(site.books, url, site.folder) | {"seconds": round(took_s, 1)}


@asynccontextmanager
async def site_of(seed: int, servers: int, workers: int) -> AsyncIterator[tuple[Site, str]]:
    """Yield everything that is to be killed, and the database's address."""
    with tempfile.TemporaryDirectory(prefix="agora-crash-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        postgres = EmbeddedPostgres(folder / "postgres")
        url = await postgres.url()
        await asyncio.to_thread(extensions.offer, url, postgres.folder)
        with ModelServer(lambda _: "the next", models=("qwen3:8b",)) as models:
            models.manner.first_token_s = THINKS_S
            lease = {"AGORA_STAGE__LEASE_S": str(LEASE_S), "AGORA_WORKER__HEARTBEAT_S": "3"}
            env = environment(url, folder, OLLAMA_HOST=models.url, **lease)
            front = [new_server(folder, env, f"server-{number}") for number in range(servers)]
            crew = [
                Process(("worker",), env, folder / f"worker-{number}.log")
                for number in range(workers)
            ]
            with ending(*front, *crew):
                await asyncio.gather(*(asyncio.to_thread(one.start) for one in [*front, *crew]))
                yield Site(front, crew, random.Random(seed), folder), url
        await postgres.stop()


async def figures(books: Books, url: str, folder: Path) -> dict[str, Any]:
    """Return what became of everything that was accepted."""
    with psycopg.connect(url) as connection:
        known: dict[str, str] = dict(connection.execute(TASKS).fetchall())
        row = connection.execute(UNSETTLED).fetchone()
        assert row
    answered = [name for name in books.tasks if known.get(name) == "answered"]
    commits = {root: _commits(root) for root in books.repairs}
    accepted = [root for root, status in books.repairs.items() if status != NOT_KNOWN]
    lost = [root for root in accepted if commits[root] < 1]
    stopped = [root for root in accepted if not books.repairs[root].startswith("fixed;")]
    for root in dict.fromkeys([*lost, *stopped]):
        what = "is lost" if root in lost else "is committed, and its run stands still"
        print(f"{Path(root).name} {what}: {books.repairs[root]}")
    return {
        "kills": len(books.killed),
        "gits_killed": sum(name.endswith("'s git") for name in books.killed),
        "sandboxes_killed": sum(name.endswith("'s bwrap") for name in books.killed),
        "tasks": len(books.tasks),
        "tasks_lost": len(books.tasks) - len(answered),
        "callers_unsettled": sum(s != "answered" for s in books.tasks.values()) + row[0],
        "repairs": len(accepted),
        "repairs_lost": len(lost),
        "repairs_stopped": len(stopped),
        "effects_twice": sum(count > 1 for count in commits.values()),
        "slowest_s": round(books.slowest_s, 1),
        "log_valid": await _is_valid(url, folder / "home"),
    }


def _commits(root: str) -> int:
    """Return how often a repair was committed; 0 also where its work tree is not as it ought.

    A lock that a killed git has left there stands in the way of whatever comes next.
    """
    count = int(sh(root, "git", "rev-list", "--count", "HEAD")) - 1
    locks = list(Path(root, ".git").rglob("*.lock"))
    is_clean = not locks and not sh(root, "git", "status", "--porcelain")
    is_whole = is_clean and Path(root, "prices.py").read_text("utf-8") == MENDED
    return count if count > 1 or is_whole else 0


async def _is_valid(url: str, home: Path) -> bool:
    team = agora.team.assemble(load({}, **{"database.url": url, "home": home}))
    async with team.database.transaction() as connection:
        found = await team.acting.decisions.verify(connection)
    await team.close()
    return found.first_bad is None


def show(told: dict[str, Any]) -> None:
    """Print a table."""
    for name, value in told.items():
        print(f"{name.replace('_', ' '):24}{value!s:>10}{0 if name in WRONG else '':>10}")


def is_kept(told: dict[str, Any]) -> bool:
    """Return whether nothing was lost, and nothing done twice."""
    return not any(told[name] for name in WRONG) and bool(told["log_valid"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--servers", type=int, default=SERVERS)
    parser.add_argument("--workers", type=int, default=WORKERS)
    chosen = parser.parse_args()
    found = asyncio.run(measure(chosen.seed, chosen.kills, chosen.servers, chosen.workers))
    show(found)
    if chosen.json:
        print(json.dumps(found))
    sys.exit(0 if is_kept(found) else 1)
