import asyncio
import os
import random
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from agora.app import upkeep
from agora.app.reports import figures
from agora.app.runs import Runs
from agora.domain import difficulty
from agora.domain.contracts import Json
from agora.domain.settings import Settings
from agora.team import Team
from memory import folds
from memory import upkeep as sweeps
from tests.conftest import ask
from tests.memory.test_upkeep import ACT, TASK, looping
from tests.reading import ROOT
from tests.running import Hire, thread

OLD = "UPDATE events SET at = now() - interval '31 days' RETURNING 1"


def silent(said: str) -> None:
    """Show nothing."""


async def standing(team: Team) -> Json:
    return await team.market.standings()


async def rebuilt(team: Team) -> Json:
    async with team.database.transaction() as connection:
        await folds.rebuild(connection, "standings")
    return await standing(team)


async def test_standings_are_the_same_before_and_after_and_computed_again(hire: Hire) -> None:
    staff = hire()
    for number in range(4):
        await staff.ask(f"What is {number} by seven?", on=str(number))
    before, told = await standing(staff.team), await figures(staff.team)
    records = await staff.team.watching.records()
    await ask(staff.team, OLD)
    report = await upkeep.tidy(Runs({"task": staff.task}), silent)
    assert report["steps"]["events"]["rows"] > 30 and report["bytes"] > 0
    assert await standing(staff.team) == before == await rebuilt(staff.team)
    assert await figures(staff.team) == told and await staff.team.watching.records() == records
    again = await staff.ask("What is 3 by seven?", on="again")
    assert again["cached"], "what is remembered is remembered"


async def test_a_dry_run_says_what_would_go_and_lets_nothing_go(hire: Hire) -> None:
    staff = hire()
    await staff.ask("What is six by seven?")
    await ask(staff.team, "UPDATE claims SET expires_at = '2000-01-01' RETURNING 1")
    await ask(staff.team, OLD)
    runs = Runs({"task": staff.task})
    planned = await upkeep.plan(runs, silent)
    assert planned == await upkeep.plan(runs, silent) | {"seconds": planned["seconds"]}
    assert planned["steps"]["claims of ended runs"]["rows"] == 1
    done = await upkeep.tidy(runs, silent)
    assert done["steps"] == planned["steps"] and done["rows"] > 10
    assert (await upkeep.tidy(runs, silent))["rows"] == 0


async def test_one_upkeep_is_at_work_at_a_time(team: Team) -> None:
    async with team.database.autocommit() as other:
        assert await sweeps.begin(other)
        with pytest.raises(upkeep.UpkeepHeldError):
            await upkeep.tidy(Runs({}), silent)
        await sweeps.release(other)
    assert (await upkeep.tidy(Runs({}), silent))["rows"] == 0


async def test_a_worker_tidies_up_once_a_day(team: Team) -> None:
    for _ in range(3):
        await upkeep.tidy_if_due(Runs({}))
    assert len(await ask(team, "SELECT FROM upkeeps")) == 1
    await ask(team, "UPDATE upkeeps SET at = now() - interval '25 hours' RETURNING 1")
    await upkeep.tidy_if_due(Runs({}))
    assert len(await ask(team, "SELECT FROM upkeeps")) == 2


async def test_the_claim_of_a_run_that_may_go_on_is_kept(team: Team, saver: Any) -> None:
    await team.holding.announce("one", "intake", {"task": {"text": "x"}}, timedelta(0))
    assert (await upkeep.tidy(Runs({}), silent))["rows"] == 0
    assert len(await ask(team, "SELECT FROM claims")) == 1


async def test_an_upkeep_that_is_killed_anywhere_loses_nothing_and_is_finished_later(
    team: Team, saver: Any, settings: Settings
) -> None:
    graph, chance = looping(saver, 40, 9_000), random.Random(4)
    for name in "one", "two":
        await graph.ainvoke({}, thread(name) | {"recursion_limit": 100}, durability="sync")
    await _seed(team)
    before, told = await graph.aget_state(thread("one")), await figures(team)
    records, whole = await standing(team), await upkeep.plan(Runs({}), silent)
    for _ in range(5):
        moment = (chance.randrange(1, 20), chance.uniform(0, 0.03))
        assert await asyncio.to_thread(_ended, settings, *moment) == -signal.SIGKILL, moment
        assert (await graph.aget_state(thread("one"))).values == before.values
        assert await figures(team) == told
    left = await upkeep.plan(Runs({}), silent)
    await upkeep.tidy(Runs({}), silent)
    assert (await upkeep.plan(Runs({}), silent))["rows"] == 0 and left["rows"] < whole["rows"]
    assert await figures(team) == told and await rebuilt(team) == records
    for name in "one", "two":
        state = await graph.aget_state(thread(name))
        assert state.values["seen"] == list(range(1, 41)) and state.tasks[0].interrupts


async def _seed(team: Team) -> None:
    judged: Json = {"bidder": "risk@m", "domain": "general", "right": True, "tokens_out": 9}
    judged |= {"latency_s": 0.1, "cost_usd": 0.0, "is_probe": False, "value_usd": 0.01}
    judged |= {"second_usd": 0.0, "second_score": None, "fault": None, "opens_breaker": False}
    judged |= {"at_s": 0.0, "traits": difficulty.traits("x")}
    await ask(team, TASK, "over", "answered")
    for number in range(1500):
        await ask(team, ACT, f"over/{number}", "over", "done", 0.001, 10)
    for _ in range(20):
        await team.stream.publish("over", "outcome.judged", judged)
    fill = """INSERT INTO events (correlation_id, kind, body)
              SELECT 'over', 'stage.left', '{}' FROM generate_series(1, 2500) RETURNING 1"""
    await ask(team, fill)
    await ask(team, OLD)


def _ended(settings: Settings, batches: int, after_s: float) -> int:
    """Let an upkeep be killed so long after so many batches; return how it has ended."""
    assert settings.database.url
    named = {"DATABASE_URL": settings.database.url.get_secret_value()}
    named |= {"AGORA_HOME": str(settings.folder)}
    command = [sys.executable, "-W", "ignore", "-m", "tests.tidying", str(batches), str(after_s)]
    return subprocess.run(command, cwd=ROOT, env=os.environ | named).returncode


async def test_upkeep_beside_live_traffic_disturbs_nobody(hire: Hire) -> None:
    staff = hire()
    runs = Runs({"task": staff.task})

    @asynccontextmanager
    async def tidying() -> Any:
        task = asyncio.create_task(_tidy_on(runs))
        yield
        task.cancel()
        await asyncio.wait({task})

    async with tidying():
        for number in range(15):
            outcome = await staff.ask(f"What is {number} by nine?", on=f"thread-{number % 3}")
            assert outcome["status"] == "answered"
    assert len(await staff.events("outcome.judged")) == 15


async def _tidy_on(runs: Runs) -> None:
    while True:
        await upkeep.tidy(runs, silent)
        await asyncio.sleep(0)
