import asyncio
import random
from datetime import timedelta

import pytest

from agora.team import Team
from memory import memories
from memory.memories import Memory
from tests.conftest import ask
from tests.locking import Work, locked_early

TOLD = 12
CHANGES: dict[str, Work] = {
    "used": lambda connection: memories.use(connection, range(1, TOLD + 1), "another"),
    "praised": lambda connection: memories.move(connection, "task", True, 0.05),
    "blamed": lambda connection: memories.move(connection, "task", False, 0.05, own=True),
    "held": lambda connection: memories.hold(connection, range(1, TOLD + 1)),
    "held for a task": lambda connection: memories.hold_of_a_task(connection, "task", []),
    "compared": lambda connection: memories.compared(connection, range(1, TOLD + 1)),
    "archived": memories.archive,
    "expired": memories.expire,
}


async def told(team: Team, quality: float = 0.5, life: timedelta = timedelta(days=1)) -> list[int]:
    """Let a task be told some memories; return their ids."""
    async with team.database.transaction() as connection:
        for number in range(TOLD):
            one = Memory("default", "reflection", f"no. {number}", "task", quality=quality)
            await memories.remember(connection, one, life)
    ids = [row["id"] for row in await ask(team, "SELECT id FROM memories ORDER BY id")]
    async with team.database.transaction() as connection:
        await memories.use(connection, ids, "task")
    return ids


@pytest.mark.parametrize("change", CHANGES)
async def test_memories_are_locked_by_id_wherever_they_lie(team: Team, change: str) -> None:
    first, *_ = await told(team, quality=0.1, life=-timedelta(days=1))
    assert await locked_early(team, "memories id uses", first, CHANGES[change]) == []


async def test_tasks_that_are_told_the_same_wait_for_each_other_and_never_in_turn(
    team: Team,
) -> None:
    ids, rounds, runs, some = await told(team), 12, 8, 6

    async def run(name: str) -> None:
        for number in range(rounds):
            task_id = f"{name}-{number}"
            async with team.database.autocommit() as connection:
                await memories.use(connection, random.sample(ids, some), task_id)
            async with team.database.transaction() as connection:
                await memories.move(connection, task_id, number % 2 == 0, 0.05)

    await asyncio.gather(*(run(f"run {number}") for number in range(runs)))
    (row,) = await ask(team, "SELECT sum(uses)::int AS uses FROM memories")
    assert row["uses"] == len(ids) + rounds * runs * some, "each one counts"
