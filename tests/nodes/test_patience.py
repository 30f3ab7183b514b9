"""A database that cannot serve a stage now: it waits, and nothing is lost or done twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.errors import DeadlockDetected

from agora.app.takeover import failed_by_database, take_over
from agora.team import Team
from memory import memories
from memory.database import DatabaseBusyError
from memory.memories import Memory
from tests.conftest import ask
from tests.locking import crossing
from tests.running import Hire, Staff, thread

LEASE_S, WAIT_S, CONNECTIONS = 3.0, 0.2, 2
POOL = {"database.connections": CONNECTIONS, "database.wait_s": WAIT_S, "stage.lease_s": LEASE_S}
LOCK_MEMORY = "SELECT FROM memories WHERE id = %s FOR UPDATE"
TASK: Any = {"task": {"text": "What is the answer?", "id": "answer"}}


@asynccontextmanager
async def exhausted(team: Team) -> AsyncIterator[AsyncExitStack]:
    """Hold every connection of the team's pool; `aclose` of what is yielded gives them back."""
    async with AsyncExitStack() as held:
        for _ in range(CONNECTIONS):
            await held.enter_async_context(team.database.autocommit())
        yield held


async def asks_in_vain(team: Team, seconds: float) -> None:
    """Let so much time pass, in which others ask for a connection and get none."""
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    while datetime.now(UTC) < until:
        with pytest.raises(DatabaseBusyError):
            async with team.database.autocommit():
                pass


def staff_of(hire: Hire, **more: Any) -> tuple[Staff, asyncio.Event]:
    """Return a team whose model says when it is asked."""
    asked, loop = asyncio.Event(), asyncio.get_running_loop()

    def script(messages: Any) -> str:
        loop.call_soon_threadsafe(asked.set)
        return "forty-two"

    return hire(script, **POOL, **more), asked


async def test_a_run_waits_longer_than_its_lease_for_a_connection(hire: Hire) -> None:
    staff, asked = staff_of(hire)
    async with exhausted(staff.team) as held:
        running = asyncio.create_task(staff.task.ainvoke(TASK, thread("one"), durability="sync"))
        await asks_in_vain(staff.team, 3 * WAIT_S)
        await held.aclose()
        await asyncio.wait_for(asked.wait(), 60)
    async with exhausted(staff.team) as held:  # in the middle of a stage
        await asks_in_vain(staff.team, 1.2 * LEASE_S)
        assert not running.done()
        await held.aclose()
        done = await asyncio.wait_for(running, 60)
    assert done["outcome"]["status"] == "answered"
    acts = await ask(staff.team, "SELECT FROM acts WHERE kind = 'ask_model'")
    assert len(staff.prompts) == 1 == len(acts), "asked and paid once"


async def test_a_run_whose_time_is_up_says_why_and_is_taken_over_later(hire: Hire) -> None:
    staff, _ = staff_of(hire, **{"database.patience_s": WAIT_S})
    await staff.team.holding.announce("one", "intake", TASK, timedelta(seconds=LEASE_S))
    async with exhausted(staff.team):
        with pytest.raises(DatabaseBusyError, match="2 of 2 are in use") as told:
            await staff.task.ainvoke(TASK, thread("one"), durability="sync")
    assert "database.connections" in told.value.hint
    graphs = {"task": staff.task}
    while not (await staff.state()).get("outcome"):
        for one in await failed_by_database(graphs):
            await take_over(graphs, one, is_asked_for=True)
        await take_over(graphs)
    assert (await staff.state())["outcome"]["status"] == "answered" and len(staff.prompts) == 1


async def told(team: Team) -> list[int]:
    """Let the task know two memories; return their ids."""
    async with team.database.transaction() as connection:
        for text in ("one", "two"):
            one = Memory("default", "reflection", text, "task-0", quality=0.5)
            await memories.remember(connection, one, None)
    ids = [row["id"] for row in await ask(team, "SELECT id FROM memories ORDER BY id")]
    async with team.database.transaction() as connection:
        await memories.use(connection, ids, TASK["task"]["id"])
    return ids


async def qualities(team: Team) -> list[float]:
    rows = await ask(team, "SELECT quality FROM memories WHERE kind = 'reflection' ORDER BY id")
    return [row["quality"] for row in rows]


async def test_a_stage_whose_transaction_was_broken_by_a_deadlock_begins_again(hire: Hire) -> None:
    staff = hire()
    first, last = await told(staff.team)
    async with crossing(staff.team, LOCK_MEMORY, last, first):
        running = asyncio.create_task(staff.task.ainvoke(TASK, thread("one"), durability="sync"))
    done = await asyncio.wait_for(running, 20)
    assert done["outcome"]["status"] == "answered" and len(staff.prompts) == 1
    assert await qualities(staff.team) == pytest.approx([0.525, 0.525]), "moved once"
    remembered = await ask(staff.team, "SELECT FROM memories WHERE kind = 'outcome'")
    assert len(remembered) == 1, "and what it has learnt is not lost"


async def test_a_run_that_deadlocks_until_its_time_is_up_is_taken_over_later(hire: Hire) -> None:
    staff = hire(**{"database.patience_s": WAIT_S})
    first, last = await told(staff.team)
    async with crossing(staff.team, LOCK_MEMORY, last, first):
        running = asyncio.create_task(staff.task.ainvoke(TASK, thread("one"), durability="sync"))
    with pytest.raises(DeadlockDetected):
        await running
    (found,) = await failed_by_database({"task": staff.task})
    await take_over({"task": staff.task}, found, is_asked_for=True)
    assert (await staff.state())["outcome"]["status"] == "answered" and len(staff.prompts) == 1
    assert await qualities(staff.team) == pytest.approx([0.525, 0.525])
