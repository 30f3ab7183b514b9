"""Whether a budget holds while many processes draw on it at the same time.

`python benchmarks/budget_race.py [--json] [--seed N]`: eight processes make a thousand attempts to
act at one budget's expense, through the ledger and nothing else. A ninth connection looks at the
budget all the while; a trigger keeps the most that ever stood in it, should it look away. Some acts
cost less than was reserved, some fail and know what they have cost, some fail without a word. The
database is the one in DATABASE_URL, else an embedded one. Takes a few seconds.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))

from agora.domain.budgets import Budget  # noqa: E402
from agora.domain.contracts import Act, ActOutcome  # noqa: E402
from agora.domain.errors import BudgetSpentError  # noqa: E402
from agora.domain.models import Spent  # noqa: E402
from agora.domain.settings import load  # noqa: E402
from agora.team import assemble  # noqa: E402
from agora.team.acting import standing_alone  # noqa: E402
from memory import acts  # noqa: E402
from memory.database import Database, EmbeddedPostgres, ExternalPostgres  # noqa: E402

PROCESSES, ATTEMPTS, AT_A_TIME = 8, 1000, 4
BUDGET, CAP_USD, MOST_USD = "race", 2.0, 0.01  # MOST_USD is reserved for each attempt
ENDS = ("as reserved", "cheaper", "failed, and knows its cost", "failed without a word")
WITNESS = """
CREATE TABLE witness (usd numeric NOT NULL);
CREATE FUNCTION testify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO witness VALUES (NEW.reserved_usd + NEW.spent_usd); RETURN NULL; END $$;
CREATE TRIGGER testify AFTER UPDATE ON budgets FOR EACH ROW EXECUTE FUNCTION testify();
"""
NOW = "SELECT reserved_usd + spent_usd AS usd FROM budgets WHERE name = %s"
BOOKED = "SELECT reserved_usd, spent_usd FROM budgets WHERE name = %s"
ACTS = "SELECT count(*), coalesce(sum(cost_usd), 0) FROM acts WHERE %s = ANY(budgets)"


@dataclass(frozen=True)
class Race:
    """How a race has ended; money in USD."""

    attempts: int
    granted: int
    refused: int
    cap_usd: float
    most_usd: float  # that ever stood in the budget, reserved and spent together
    over: int  # looks, and changes of the budget, at which the cap was passed
    looks: int
    reserved_usd: float  # in the end
    spent_usd: float
    acts_usd: float

    @property
    def is_fair(self) -> bool:
        """Return whether the cap held, and the sums come out even."""
        is_even = self.reserved_usd == 0 and self.spent_usd == self.acts_usd
        is_whole = self.granted + self.refused == self.attempts
        return not self.over and self.most_usd <= self.cap_usd and is_even and is_whole


class FailedError(Exception):
    """An act that failed; with `spent` it knows what it has cost."""


async def prepare(url: str, cap_usd: float) -> None:
    """Make the tables, the budget, and what keeps the most that ever stood in it."""
    database = Database(ExternalPostgres(url))
    async with database.transaction() as connection:
        await acts.open_budgets(connection, [Budget(name=BUDGET, cap_usd=cap_usd)])
        await connection.execute(WITNESS)
    await database.close()


async def attempt_all(url: str, home: str, name: str, attempts: int, seed: int) -> tuple[int, int]:
    """Return how many attempts of one process were granted, and how many refused."""
    team = assemble(load({}, **{"database.url": url, "database.connections": 4, "home": home}))
    chance, free = random.Random(f"{seed} {name}"), asyncio.Semaphore(AT_A_TIME)

    async def attempt(number: int, end: str, usd: float) -> bool:
        act = Act(kind="ask_model", subject="m", actor="e@m", cost_usd=MOST_USD, budgets=(BUDGET,))

        async def do() -> ActOutcome:
            await asyncio.sleep(usd)  # so that reservations of many processes stand side by side
            if end.startswith("failed"):
                error = FailedError(end)
                if "knows" in end:
                    vars(error)["spent"] = Spent(tokens_in=1, cost_usd=usd)
                raise error
            return ActOutcome(result={}, cost_usd=usd if end == "cheaper" else MOST_USD)

        async with free:
            with standing_alone(f"{name}-{number}", "race"):
                try:
                    await team.acting.perform(
                        act.but(facts={"residency": "local", "labels": []}), do
                    )
                except BudgetSpentError:
                    return False
                except FailedError:
                    return True
        return True

    wanted = [(n, chance.choice(ENDS), chance.uniform(0, MOST_USD)) for n in range(attempts)]
    granted = sum(await asyncio.gather(*(attempt(n, end, round(x, 6)) for n, end, x in wanted)))
    await team.close()
    return granted, attempts - granted


def work(url: str, home: str, name: str, attempts: int, seed: int, start: Any, told: Any) -> None:
    """Make one process's attempts once all are ready."""
    start.wait()
    told.put(asyncio.run(attempt_all(url, home, name, attempts, seed)))


def race(url: str, home: str, processes: int, attempts: int, cap_usd: float, seed: int) -> Race:
    """Let processes race for one budget, on a database that has not seen one yet."""
    asyncio.run(prepare(url, cap_usd))
    context = get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.budget_race"])
    start, told = context.Barrier(processes), context.Queue()
    shares = [len(range(n, attempts, processes)) for n in range(processes)]
    racers = [
        context.Process(target=work, args=(url, home, f"racer-{n}", share, seed, start, told))
        for n, share in enumerate(shares)
    ]
    for racer in racers:
        racer.start()
    looks = look(url, racers)
    counts = [told.get() for _ in racers]
    for racer in racers:
        racer.join()
    return _ended(url, cap_usd, attempts, counts, looks)


def look(url: str, racers: list[Any]) -> list[Decimal]:
    """Return what stood in the budget, as often as one can look while anybody races."""
    looks = []
    with psycopg.connect(url, autocommit=True) as ninth:
        while any(racer.is_alive() for racer in racers):
            looks += [row[0] for row in ninth.execute(NOW, [BUDGET])]
            racers[0].join(0.002)
    return looks


def _ended(
    url: str, cap_usd: float, attempts: int, counts: list[tuple[int, int]], looks: list[Decimal]
) -> Race:
    with psycopg.connect(url) as connection:
        changes = [usd for (usd,) in connection.execute("SELECT usd FROM witness")]
        ((reserved, spent),) = connection.execute(BOOKED, [BUDGET])
        ((_, paid),) = connection.execute(ACTS, [BUDGET])
    seen = [*looks, *changes]
    return Race(
        attempts=attempts,
        granted=sum(granted for granted, _ in counts),
        refused=sum(refused for _, refused in counts),
        cap_usd=cap_usd,
        most_usd=float(max(seen)),
        over=sum(usd > Decimal(str(cap_usd)) for usd in seen),
        looks=len(looks),
        reserved_usd=float(reserved),
        spent_usd=float(spent),
        acts_usd=float(paid),
    )


@contextmanager
def database(folder: str) -> Iterator[str]:
    """Yield the URL of a database without budgets."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    postgres = EmbeddedPostgres(Path(folder) / "postgres")
    try:
        yield asyncio.run(postgres.url())
    finally:
        asyncio.run(postgres.stop())


def show(found: Race) -> None:
    """Print a table."""
    for name, value in asdict(found).items():
        print(f"{name:14}{value:>12g}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agora-race-") as home, database(home) as url:
        found = race(url, home, PROCESSES, ATTEMPTS, CAP_USD, chosen.seed)
    show(found)
    if chosen.json:
        print(json.dumps(asdict(found)))
    sys.exit(0 if found.is_fair else 1)
