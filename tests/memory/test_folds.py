from typing import Any

import pytest

from agora.team import Team
from memory import events, folds
from memory.database import Rows


async def told(connection: Rows, who: str) -> None:
    await events.publish(connection, "case", "trial", {"who": who})


def heard(state: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    return {"who": [*state.get("who", []), event["who"]]}


async def folded(team: Team, name: str = "trials") -> Any:
    async with team.database.transaction() as connection:
        return (await folds.advance(connection, name, ["trial"], heard)).get("who", [])


async def test_an_event_counts_once(team: Team) -> None:
    async with team.database.transaction() as connection:
        await told(connection, "a")
        await events.publish(connection, "case", "other", {"who": "x"})
    assert await folded(team) == ["a"] == await folded(team)
    async with team.database.transaction() as connection:
        await told(connection, "b")
    assert await folded(team) == ["a", "b"]


async def test_a_row_that_is_committed_late_is_counted(team: Team) -> None:
    async with team.database.transaction() as slow:
        await told(slow, "slow")
        async with team.database.transaction() as quick:
            await told(quick, "quick")
        assert await folded(team) == []  # neither is certain yet
    assert await folded(team) == ["slow", "quick"] == await folded(team)


async def test_ids_may_stand_in_the_reverse_order_of_transactions(team: Team) -> None:
    async with team.database.transaction() as early:
        await early.execute("SELECT pg_current_xact_id()")
        async with team.database.transaction() as late:
            await told(late, "small id, later transaction")
            await told(early, "larger id, earlier transaction")
            await early.commit()
            assert await folded(team) == ["larger id, earlier transaction"]
    assert len(await folded(team)) == 2


async def test_state_and_cursor_commit_together(team: Team) -> None:
    async with team.database.transaction() as connection:
        await told(connection, "a")
    with pytest.raises(ZeroDivisionError):
        async with team.database.transaction() as connection:
            await folds.advance(connection, "trials", ["trial"], heard)
            raise ZeroDivisionError
    assert await folded(team) == ["a"]


async def test_a_fold_can_be_computed_again_from_the_start(team: Team) -> None:
    async with team.database.transaction() as connection:
        for number in range(2500):
            await told(connection, str(number))
    before = await folded(team)
    assert len(before) == 2500
    async with team.database.transaction() as connection:
        await folds.rebuild(connection, "trials")
    assert await folded(team) == before


async def test_events_come_with_their_kind_and_time(team: Team) -> None:
    seen: list[Any] = []

    def step(state: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
        seen.append(event)
        return state

    async with team.database.transaction() as connection:
        await told(connection, "a")
    async with team.database.transaction() as connection:
        await folds.advance(connection, "kinds", ["trial"], step)
    assert seen[0]["kind"] == "trial" and seen[0]["at"].startswith("20")
