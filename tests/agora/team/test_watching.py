from typing import Any

import pytest
from psycopg.types.json import Jsonb

from agora.domain.contracts import Json, Opportunity
from agora.domain.errors import UsageError
from agora.team import Team
from tests.conftest import ask

PLACE: Json = {"workspace": "/w", "path": "calc.py", "tool": "calc.add"}


async def judge(team: Team, *outcomes: bool) -> None:
    for right in outcomes:
        told = PLACE | {"is_right": right, "arguments": {}, "error": None, "line": 1}
        await team.watching.judge(told, "c")


async def living(team: Team) -> list[Any]:
    return [(row["kind"], row["subject"]) for row in await team.watching.living()]


async def test_a_failing_tool_becomes_one_opportunity(team: Team) -> None:
    await judge(team, *[True] * 6, *[False] * 4)
    for _ in range(2):
        await team.watching.detect("/w")
    assert await living(team) == [("failing_tool", "/w:calc.py:calc.add")]
    assert await team.watching.baseline("/w", "calc.py") == 0.6
    found = await team.watching.claim("thread", ["failing_tool"], "/w:")
    assert found and found.evidence["executions"] == 10
    await team.watching.close(found.id, "fixed")
    assert await living(team) == []


async def test_a_tool_that_works_is_left_alone(team: Team) -> None:
    await judge(team, *[True] * 10)
    await team.watching.detect("/w")
    assert await living(team) == []


async def test_only_an_applied_change_of_this_workspace_raises_an_alarm(team: Team) -> None:
    columns = "id, kind, subject, workspace, base, diff, at, title, digest, case_id, thread_id"
    row = f"INSERT INTO changes ({columns}, status) VALUES (%s, 'patch', 'calc.py', '/w', "
    row += "'', '', '', '', '', '', '', %s) RETURNING id"
    for name, status in (("c1", "applied"), ("c2", "reverted")):
        await ask(team, row, name, status)
        told = {"change": name, "workspace": "/w", "subject": "calc.py", "baseline": 0.95}
        event = "INSERT INTO events (correlation_id, kind, body) VALUES ('c', %s, %s) RETURNING id"
        await ask(team, event, "change.applied", Jsonb(told))
    await judge(team, *[False] * 9)
    await team.watching.detect("/else")
    assert await living(team) == []
    await team.watching.detect("/w")
    assert await living(team) == [("alarm", "/w:c1")]


async def test_what_is_given_back_can_be_claimed_by_another(team: Team) -> None:
    found = Opportunity(id="", kind="prompt", subject="risk")
    await team.watching.open_one(found)
    mine = await team.watching.claim("one", ["prompt"], "risk")
    assert mine and await team.watching.claim("two", ["prompt"], "risk") is None
    await team.watching.reopen(mine.id)
    theirs = await team.watching.claim("two", ["prompt"], "risk")
    assert theirs and theirs.id == mine.id
    await team.watching.add_evidence(mine.id, {"report": "x"})
    assert (await team.watching.find(mine.id))["evidence"] == {"report": "x"}
    with pytest.raises(UsageError, match="there is no opportunity nothing"):
        await team.watching.find("nothing")
