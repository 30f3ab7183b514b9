"""What becomes of tasks, and of money, while model servers fail in every way that we know.

`python benchmarks/chaos.py [--json] [--seed N] [--only FAULT,…]`: two local models (Ollama's wire)
and two cloud models (OpenAI's) in server processes of their own; the real task graph with its real
PostgreSQL saver; 20 tasks at a time. First each fault strikes 30 % of one vendor's calls while the
other is sound, on a team that starts afresh; then everything strikes 30 % of all calls. Every task
has a deadline, every answer is known. Takes five minutes.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
import yaml
from psycopg import sql

sys.path.insert(0, str(Path(__file__).parents[1]))

import agora.team  # noqa: E402
from agora.domain.errors import AgoraError  # noqa: E402
from agora.domain.settings import load  # noqa: E402
from agora.team import Team  # noqa: E402
from benchmarks.chaos_ledger import ACTS, NOTHING, Books, compare  # noqa: E402
from benchmarks.chaos_servers import PRICES, VENDORS, Vendor, prices, started  # noqa: E402
from graphs.task import graph as task_graph  # noqa: E402
from memory.checkpoints import open_saver  # noqa: E402
from memory.database import EmbeddedPostgres  # noqa: E402

TASKS, AT_A_TIME, SHARE = 12, 20, 0.3
ALL_TASKS, WARM_UP = 500, 60
DEAR = 20.0  # so many times the usual price makes the sound vendor the second choice
URGENT_EVERY = 5  # so many of the tasks go to the war room, whose members keep to a schema
DEADLINE_S, GRACE_S = 6.0, 1.0
ANSWERED = 0.995
FAULTS = (
    *("500", "502", "503", "504", "529", "429", "429_date", "429_bare", "quota"),
    *("400", "401", "403", "404", "context", "html", "html_502", "redirect"),
    *("hang", "silent", "slow", "keep_alive", "stall", "drip"),
    *("reset_before", "closed", "reset_in_head", "not_http", "reset", "cut", "short"),
    *("bad_chunk", "gzip_garbage", "nothing", "null", "list", "error_200", "error_code"),
    *("malformed", "truncated", "half_character", "bad_utf8", "bom", "no_finish"),
    *("error_inside", "finish_error", "done_load", "empty", "length", "filtered", "refused"),
    *("wrong_schema", "prose", "bad_call", "parts", "null_choices", "filtered_first"),
    *("twice_finished", "no_done", "glued", "torn", "crlf"),
    *("no_usage", "usage_null", "usage_zero", "usage_everywhere", "usage_cut"),
)
CANNOT_HAPPEN = {("openai", "done_load"), ("ollama", "refused"), ("ollama", "parts")}


@dataclass(frozen=True)
class Ended:
    """How one task ended."""

    id: str
    is_answered: bool
    is_clear: bool  # answered rightly, or one error in words, with a remedy
    took_s: float
    said: str
    deadline_s: float

    @property
    def is_late(self) -> bool:
        """Return whether the deadline was missed by more than a second."""
        return self.took_s > self.deadline_s + GRACE_S


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    fault: str
    struck: int = 0  # calls
    fell_back: int = 0  # answered tasks that more than the first choice has worked on
    ended: tuple[Ended, ...] = ()
    books: Books = NOTHING

    def __add__(self, other: "Row") -> "Row":
        """Return both together."""
        return Row(
            self.fault,
            self.struck + other.struck,
            self.fell_back + other.fell_back,
            self.ended + other.ended,
            self.books + other.books,
        )

    @property
    def answered(self) -> int:
        """Return how many tasks were answered, and rightly."""
        return sum(one.is_answered for one in self.ended)


@dataclass
class Stage:
    """Where the tasks are run: servers, a database server, a folder."""

    vendors: dict[str, Vendor]
    postgres: str
    home: Path
    seed: int
    verbose: bool
    deadline_s: float
    _scenes: int = field(default=0, init=False)

    async def play(
        self, fault: str, strikes: Mapping[str, Sequence[str]], tasks: int, keep_as: str = ""
    ) -> Row:
        """Run tasks on a team and a database of their own, while faults strike the vendors."""
        self._scenes += 1
        dear = {name: DEAR if strikes and name not in strikes else 1.0 for name in VENDORS}
        for name, vendor in self.vendors.items():
            seed = self.seed * 1000 + self._scenes
            vendor.strike(strikes.get(name, ()), SHARE, seed, dear[name])
        url, home = self._database(keep_as), self.home / "-".join(sorted(strikes))
        home.mkdir(exist_ok=True)
        (home / "models.yaml").write_text(yaml.safe_dump(entries(dear)))
        team = agora.team.assemble(load({}, **self._settings(url, home)))
        agora.team.current = lambda: team
        try:
            async with open_saver(await team.database.url()) as saver:
                app: Any = task_graph.compile(checkpointer=saver)
                texts = {f"{self._scenes}-{n}": text_of(self._scenes, n) for n in range(tasks)}
                ended = await run_all(app, texts, self.deadline_s)
            return await self._row(team, fault, ended, texts)
        finally:
            await team.close()

    async def _row(
        self, team: Team, fault: str, ended: Sequence[Ended], texts: dict[str, str]
    ) -> Row:
        async with team.database.autocommit() as connection:
            acts = await (await connection.execute(ACTS, [list(texts)])).fetchall()
        seen = [one for vendor in self.vendors.values() for one in vendor.exchanges()]
        if self.verbose:
            for one in ended:
                if not one.is_answered or one.is_late:
                    print(f"    {fault} {one.id} {one.took_s:.1f} s: {one.said}", flush=True)
        helped = {act["case_id"] for act in acts if act["status"] == "failed"}
        helped |= _by_several(acts)
        return Row(
            fault,
            sum(one["fault"] is not None for one in seen),
            sum(one.is_answered and one.id in helped for one in ended),
            tuple(ended),
            compare(acts, seen, texts),
        )

    def _settings(self, url: str, home: Path) -> dict[str, Any]:
        named: dict[str, Any] = {"database.url": url, "home": home}
        named |= {"ollama.host": self.vendors["ollama"].url, "ollama.models": (*PRICES["ollama"],)}
        named |= {"openai.base_url": f"{self.vendors['openai'].url}/v1"}
        named |= {"openai.models": (*PRICES["openai"],), "openai.api_key": "sk-chaos"}
        return named

    def _database(self, name: str) -> str:
        """Make a database, a copy of the one that the warm-up has left; return its URL."""
        name, template = name or f"scene_{self._scenes}", "template1" if name else "warm"
        with psycopg.connect(self.postgres, autocommit=True) as connection:
            command = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(command.format(sql.Identifier(name), sql.Identifier(template)))
        return self.postgres.replace(":@/postgres?", f":@/{name}?")


def _by_several(acts: Sequence[Any]) -> set[str]:
    actors: dict[str, set[str]] = {}
    for act in (one for one in acts if one["case_id"]):
        actors.setdefault(act["case_id"], set()).add(act["actor"])
    return {task for task, by in actors.items() if len(by) > 1 and not is_urgent(task)}


def is_urgent(task: str) -> bool:
    """Return whether a task goes to the war room."""
    return int(task.rpartition("-")[2]) % URGENT_EVERY == 0


def text_of(scene: int, number: int) -> str:
    """Return a task that was never asked before."""
    return f"Puzzle {number} of book {scene}. Reply with exactly: {answer_to(scene, number)}"


def answer_to(scene: int, number: int) -> str:
    """Return its answer: long enough to be cut in the middle."""
    return f"the key to puzzle {number} of book {scene} lies under the third stone from the left"


async def run_all(app: Any, texts: dict[str, str], deadline_s: float) -> list[Ended]:
    """Run the tasks, so many at a time."""
    free = asyncio.Semaphore(AT_A_TIME)

    async def one(task: str, text: str) -> Ended:
        async with free:
            return await run(app, task, text, deadline_s)

    return await asyncio.gather(*(one(*item) for item in texts.items()))


async def run(app: Any, task: str, text: str, deadline_s: float) -> Ended:
    """Run one task to its end, whatever that is."""
    asked: dict[str, Any] = {"id": task, "text": text, "deadline_s": deadline_s}
    asked |= {"urgency": "urgent"} if is_urgent(task) else {}
    config = {"configurable": {"thread_id": task}}
    begun = time.perf_counter()

    def ended(is_answered: bool, is_clear: bool, said: str) -> Ended:
        return Ended(task, is_answered, is_clear, time.perf_counter() - begun, said, deadline_s)

    try:
        outcome = (await app.ainvoke({"task": asked}, config, durability="sync"))["outcome"]
    except AgoraError as error:
        return ended(False, bool(str(error) and error.hint), f"raised {error!r}")
    except Exception as error:
        return ended(False, False, f"raised {error!r}")
    if outcome["status"] == "answered":
        is_right = outcome["answer"] == text.partition("exactly: ")[2]
        return ended(is_right, is_right, f"answered {outcome['answer']!r}")
    said = outcome["error"] or ""
    is_clear = bool(said) and "\n" not in said
    return ended(False, is_clear, f"{outcome['status']}: {said} ({outcome['hint']})")


async def perform(stage: Stage, faults: Sequence[str], tasks: int) -> tuple[list[Row], Row]:
    """Play all scenes; return a row for each fault, and one for everything at once."""
    await stage.play("none", {}, WARM_UP, keep_as="warm")
    rows = []
    for fault in faults:
        able = [name for name in VENDORS if (name, fault) not in CANNOT_HAPPEN]
        found = [await stage.play(fault, {name: [fault]}, TASKS) for name in able]
        rows.append(sum(found[1:], found[0]))
        show(rows[-1])
    of = {
        name: [fault for fault in faults if (name, fault) not in CANNOT_HAPPEN] for name in VENDORS
    }
    everything = await stage.play("everything", of, tasks)
    show(everything)
    return rows, everything


def figures(rows: Sequence[Row], everything: Row) -> dict[str, float]:
    """Return what is promised of faults, in one object."""
    single = sum(rows[1:], rows[0])
    whole = single + everything
    lost = [one for one in whole.ended if not one.is_answered]
    return {
        "answered": round(single.answered / len(single.ended), 4),
        "errors_in_time": _share(one.is_clear and not one.is_late for one in lost),
        "late": sum(one.is_late for one in whole.ended),
        "paid_twice": whole.books.paid_twice,
        "spend_difference_usd": round(whole.books.difference, 9),
        "spend_off": whole.books.off,
        "estimates_below": whole.books.below,
        "recorded_usd": round(whole.books.recorded, 6),
        "served_usd": round(whole.books.served, 6),
        "tasks": len(single.ended),
        "answered_under_everything": round(everything.answered / len(everything.ended), 4),
        "tasks_under_everything": len(everything.ended),
    }


def _share(kept: Any) -> float:
    found = list(kept)
    return round(sum(found) / len(found), 4) if found else 1.0


HEAD = f"{'fault':17}{'tasks':>6}{'struck':>7}{'answered':>9}{'fell back':>10}{'median ms':>10}"
HEAD += f"{'late':>5}{'booked m$':>10}{'served m$':>10}{'off m$':>8}{'below':>6}{'twice':>6}"


def show(row: Row) -> None:
    """Print one line of the table; money in thousandths of a USD."""
    took_ms = 1000 * median(one.took_s for one in row.ended)
    books = row.books
    print(
        f"{row.fault:17}{len(row.ended):>6}{row.struck:>7}{row.answered:>9}{row.fell_back:>10}"
        f"{took_ms:>10.0f}{sum(one.is_late for one in row.ended):>5}"
        f"{1000 * books.recorded:>10.3f}{1000 * books.served:>10.3f}"
        f"{1000 * books.difference:>8.3f}{books.below:>6}{books.paid_twice:>6}",
        flush=True,
    )


def is_kept(found: dict[str, float]) -> bool:
    """Return whether all promises hold."""
    is_sound = found["answered"] >= ANSWERED and found["errors_in_time"] == 1.0
    wrong = ("late", "paid_twice", "spend_off", "estimates_below")
    return is_sound and not any(found[name] for name in wrong)


async def main(asked: argparse.Namespace) -> dict[str, float]:
    """Set up everything once, and measure."""
    with tempfile.TemporaryDirectory(prefix="agora-chaos-") as folder, ExitStack() as stack:
        vendors = {name: stack.enter_context(started(name)) for name in VENDORS}
        postgres = EmbeddedPostgres(Path(folder) / "postgres")
        url = await postgres.url()
        with psycopg.connect(url, autocommit=True) as connection:
            # Servers of models fail here, never the machine: no need to wait for the disk.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        print(HEAD)
        try:
            stage = Stage(vendors, url, Path(folder), asked.seed, asked.v, asked.deadline)
            found = figures(*await perform(stage, asked.only.split(","), asked.tasks))
        finally:
            await postgres.stop()
    return found


def entries(dear: Mapping[str, float]) -> dict[str, Any]:
    """Return a models.yaml with each vendor's prices, so many times as dear as usual."""
    traits = {"capabilities": ["tools", "json"], "slots": 8, "context": 32768}
    return {
        vendor: {
            name: traits | {"family": name.partition("-")[0], "usd_in": usd_in, "usd_out": usd_out}
            for name, (usd_in, usd_out) in prices(vendor, times).items()
        }
        for vendor, times in dear.items()
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(FAULTS), help="faults, separated by commas")
    parser.add_argument("--tasks", type=int, default=ALL_TASKS, help="under everything at once")
    parser.add_argument("-v", action="store_true", help="name every task that was not answered")
    parser.add_argument("--deadline", type=float, default=DEADLINE_S, help="of a task, in seconds")
    chosen = parser.parse_args()
    measured = asyncio.run(main(chosen))
    if chosen.json:
        print(json.dumps(measured))
    else:
        print(measured)
    sys.exit(0 if is_kept(measured) else 1)
