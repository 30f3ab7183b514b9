import asyncio
from typing import Any

from agora.domain.contracts import Opportunity
from agora.team import Team
from memory import opportunities

KINDS = ["failing_tests", "failing_tool", "alarm"]


async def open_one(team: Team, identity: str, **fields: Any) -> str:
    given = {"kind": "failing_tool", "subject": "/w:calc.py:add"} | fields
    async with team.database.transaction() as connection:
        return await opportunities.open_one(connection, Opportunity(id=identity, **given))


async def claim(
    team: Team, thread: str = "one", under: str = "/w:", kinds: list[str] = KINDS
) -> str | None:
    async with team.database.transaction() as connection:
        found = await opportunities.claim(connection, thread, kinds, under)
        return found.id if found else None


async def close(team: Team, identity: str) -> None:
    async with team.database.transaction() as connection:
        await opportunities.close(connection, identity, "fixed")


async def test_a_subject_has_one_living_row_that_is_refreshed(team: Team) -> None:
    assert await open_one(team, "a", evidence={"success": 0.6}) == "a"
    assert await open_one(team, "b", evidence={"success": 0.5}) == "a"
    async with team.database.transaction() as connection:
        (row,) = await opportunities.living(connection)
    assert row["evidence"] == {"success": 0.5}
    await close(team, "a")
    assert await open_one(team, "c") == "c"


async def test_one_thread_claims_it_and_finds_it_again(team: Team) -> None:
    await open_one(team, "a")
    assert await claim(team) == "a" == await claim(team)
    assert await claim(team, "two") is None
    async with team.database.transaction() as connection:
        await opportunities.reopen(connection, "a")
    assert await claim(team, "two") == "a"
    await close(team, "a")
    assert await claim(team, "two") is None


async def test_many_at_once_claim_each_row_once(team: Team) -> None:
    for number in range(4):
        await open_one(team, str(number), subject=f"/w:{number}")
    found = await asyncio.gather(*(claim(team, f"thread {n}") for n in range(8)))
    assert sorted(one for one in found if one) == ["0", "1", "2", "3"]


async def test_an_alarm_comes_before_the_rest_and_the_worst_before_the_bad(team: Team) -> None:
    await open_one(team, "bad", subject="/w:a")
    await open_one(team, "worse", subject="/w:b", priority="high")
    await open_one(team, "alarm", subject="/w:c", kind="alarm")
    assert [await claim(team, str(n)) for n in range(3)] == ["alarm", "worse", "bad"]


async def test_what_belongs_to_another_workspace_or_kind_is_left_alone(team: Team) -> None:
    await open_one(team, "a", subject="/w_2:x")
    await open_one(team, "b", subject="/w:x", kind="prompt")
    assert await claim(team) is None
    assert await claim(team, kinds=["prompt"]) == "b"


async def test_evidence_is_added_and_the_end_is_kept(team: Team) -> None:
    await open_one(team, "a", evidence={"success": 0.6})
    async with team.database.transaction() as connection:
        await opportunities.add_evidence(connection, "a", {"report": "line 3"})
        await opportunities.close(connection, "a", "fixed")
        await opportunities.close(connection, "a", "rejected")
        row = await opportunities.find(connection, "a")
        kept = await (await connection.execute("SELECT verdict FROM opportunities")).fetchall()
    assert row and row["evidence"] == {"success": 0.6, "report": "line 3"}
    assert kept == [{"verdict": "fixed"}], "the first end counts"
