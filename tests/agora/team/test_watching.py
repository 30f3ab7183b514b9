from pathlib import Path
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from agora.domain.contracts import Json, Opportunity
from agora.domain.errors import UsageError
from agora.team import Team
from tests.conftest import ask, commit, repository

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
    assert ("alarm", "/w:c1") in await living(team)
    assert [kind for kind, _ in await living(team)].count("alarm") == 1


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


async def test_of_a_tool_one_opportunity_is_alive_and_it_becomes_the_more_pressing_one(
    team: Team,
) -> None:
    signs = {**PLACE, "signs": ["crash"]}
    subject = "/w:calc.py:calc.add"
    predicted = Opportunity(id="", kind="predicted_fault", subject=subject, evidence=signs)
    assert await team.watching.open_each([predicted]) == 1
    await judge(team, *[False] * 10)
    assert await team.watching.detect("/w") == 0
    assert await living(team) == [("failing_tool", subject)]
    claimed = await team.watching.claim("one", ["failing_tool"], "/w:")
    assert claimed and claimed.evidence["executions"] == 10
    assert await team.watching.open_each([predicted]) == 0
    assert await living(team) == [("failing_tool", subject)], "what is worked on stays"


async def test_what_could_not_be_mended_waits_until_the_file_or_a_test_has_changed(
    team: Team, tmp_path: Path
) -> None:
    root = repository(tmp_path / "w", {"calc.py": "x = 1\n", "other.py": "", "test_calc.py": ""})
    place = PLACE | {"workspace": str(root)}
    for _ in range(10):
        await team.watching.judge(place | {"is_right": False, "arguments": {}}, "c")
    assert await team.watching.detect(str(root)) == 1
    found = await team.watching.claim("one", ["failing_tool"], f"{root}:")
    assert found
    await team.watching.close(found.id, "not_found")
    assert await team.watching.detect(str(root)) == 0
    (root / "other.py").write_text("y = 1\n")
    commit(root, "another file")
    assert await team.watching.detect(str(root)) == 0
    (root / "test_calc.py").write_text("def test(): assert False\n")
    commit(root, "a test")
    assert await team.watching.detect(str(root)) == 1


async def test_good_calls_are_kept_to_be_replayed_and_bad_ones_are_not(team: Team) -> None:
    async def call(right: bool, a: int, result: Any) -> None:
        told = PLACE | {"is_right": right, "arguments": {"a": a}, "error": None}
        good = PLACE | {"arguments": {"a": a}, "result": result, "latency_s": 0.1}
        await team.watching.judge(told, "c", good=good)

    for a, result in ((1, 1), (2, [2]), (2, [2]), (3, 3), (3, 4), (4, 4)):
        await call(True, a, result)
    await call(False, 4, 4)
    kept = await team.watching.replays("/w", "calc.py")
    assert [(one.arguments, one.result) for one in kept] == [({"a": 2}, [2]), ({"a": 1}, 1)]
    assert kept[0].function == "add" and await team.watching.replays("/else", "calc.py") == []


async def test_a_call_of_a_repeated_node_counts_once(team: Team) -> None:
    told = PLACE | {"is_right": False, "arguments": {}, "error": None}
    for act in ("case/execution/0/call_tool/0", "case/execution/0/call_tool/0", "another", None):
        await team.watching.judge(told | ({"act": act} if act else {}), "c")
    (tool,) = (await team.watching.records())["tools"].values()
    assert tool["executions"] == 3
