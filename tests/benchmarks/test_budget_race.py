import asyncio
import os
import signal
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agora.domain.budgets import Budget
from agora.domain.contracts import Act, ActOutcome
from agora.domain.errors import BudgetSpentError
from agora.domain.settings import load
from agora.team import Team, assemble
from agora.team.acting import standing_alone
from benchmarks.budget_race import race
from memory import acts
from tests.conftest import ask

PAID = Act(
    kind="ask_model",
    subject="m",
    actor="e@m",
    cost_usd=0.06,
    budgets=("day",),
    facts={"residency": "local", "labels": []},
)


def test_processes_that_race_for_a_budget_never_pass_its_cap(url: str, tmp_path: Path) -> None:
    found = race(url, str(tmp_path), processes=3, attempts=60, cap_usd=0.2, seed=1)
    assert found.is_fair, found
    assert found.granted and found.refused, "a race that nobody loses proves nothing"
    assert found.looks


def begin_and_hang(url: str, home: str, told: Any) -> None:
    """Perform an act that does not end."""
    team = assemble(load({}, **{"database.url": url, "home": home}))

    async def do() -> ActOutcome:
        told.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def begin() -> None:
        with standing_alone("killed", "race"):
            await team.acting.perform(PAID, do)

    asyncio.run(begin())


async def test_what_a_killed_process_has_reserved_counts_until_its_act_is_judged(
    team: Team, url: str, tmp_path: Path
) -> None:
    async with team.database.transaction() as connection:
        await acts.open_budgets(connection, [Budget(name="day", cap_usd=0.15)])
    context = get_context("forkserver")
    told = context.Event()
    process = context.Process(target=begin_and_hang, args=(url, str(tmp_path), told))
    process.start()
    assert process.pid and await asyncio.to_thread(told.wait, 120)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert budget(url) == (0.06, 0)

    async def do() -> ActOutcome:
        return ActOutcome(result={}, cost_usd=0.01)

    with standing_alone("another", "race"), pytest.raises(BudgetSpentError):
        await team.acting.perform(PAID.but(cost_usd=0.1), do)
    with standing_alone("killed", "race"):  # whoever takes over judges it: nobody can tell
        await team.acting.perform(PAID, do)
    assert budget(url) == (0, 0.07), "the lost one in full, and the one that was done"
    assert [row["attempt"] for row in await ask(team, "SELECT attempt FROM acts")] == [2]


def budget(url: str) -> tuple[float, float]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT reserved_usd, spent_usd FROM budgets").fetchall()
    ((reserved, spent),) = rows
    return float(reserved), float(spent)
