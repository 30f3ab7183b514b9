from pathlib import Path
from typing import Any

import pytest

from agora.domain.contracts import Approval, Json
from agora.domain.errors import WorkspaceError
from agora.domain.repair.trials import NoTestsError
from agora.team import Team
from agora.team.acting import standing_alone
from nodes.detecting import detecting
from tests.conftest import ask
from tests.improving import (
    FAILING,
    FILES,
    MENDED,
    Workshop,
    alone,
    change_in,
    proposed,
    workshop,
)

ONLY_RECORDS = ["alarm", "failing_tool"]


@pytest.fixture
def shop(team: Team, saver: Any, tmp_path: Path) -> Workshop:
    return workshop(team, saver, tmp_path, app=alone("detecting", detecting))


async def use(shop: Workshop, right: int, wrong: int) -> None:
    """Record so many right and wrong executions of the workspace's tool."""
    told: Json = {"workspace": str(shop.root), "path": "prices.py", "tool": "prices.total"}
    told |= {"arguments": {"price": 1, "count": 0}, "error": None, "line": 3}
    for is_right in [True] * right + [False] * wrong:
        await shop.team.watching.judge(told | {"is_right": is_right}, "use")


@pytest.mark.needs("bubblewrap")
async def test_failing_tests_are_claimed_with_what_they_said(shop: Workshop) -> None:
    state = await shop.begin()
    assert shop.passed == ["detecting", "investigating"]
    assert state["opportunity"]["kind"] == "failing_tests"
    row = await shop.team.watching.find(state["opportunity"]["id"])
    assert row["status"] == "claimed" and row["evidence"]["base"] == shop.commits[0]
    assert list(row["evidence"]["before"]["failures"]) == [FAILING]


@pytest.mark.needs("bubblewrap")
async def test_passing_tests_are_no_opportunity(team: Team, saver: Any, tmp_path: Path) -> None:
    files = FILES | {"prices.py": MENDED}
    shop = workshop(team, saver, tmp_path, files, alone("detecting", detecting))
    state = await shop.begin()
    assert state["status"] == "nothing_to_repair" and state["opportunity"] is None
    assert await ask(team, "SELECT FROM opportunities") == []


@pytest.mark.parametrize(("right", "wrong"), [(6, 3), (7, 3), (0, 3)])
async def test_few_executions_or_enough_success_are_no_opportunity(
    shop: Workshop, right: int, wrong: int
) -> None:
    await use(shop, right, wrong)
    state = await shop.begin(kinds=ONLY_RECORDS)
    assert state["status"] == "nothing_to_repair" and shop.passed == ["detecting"]


async def test_a_failing_tool_is_found_in_its_recorded_executions(shop: Workshop) -> None:
    await use(shop, 6, 4)
    state = await shop.begin(kinds=ONLY_RECORDS)
    assert shop.passed == ["detecting", "investigating"]
    assert state["opportunity"]["kind"] == "failing_tool"
    assert state["opportunity"]["subject"] == f"{shop.root}:prices.py:prices.total"
    row = await shop.team.watching.find(state["opportunity"]["id"])
    assert row["evidence"]["success"] == 0.6 and len(row["evidence"]["failures"]) == 4


async def test_executions_of_another_workspace_do_not_count(shop: Workshop) -> None:
    told = {"workspace": f"{shop.root}-two", "path": "prices.py", "tool": "prices.total"}
    for _ in range(12):
        await shop.team.watching.judge(told | {"is_right": False}, "use")
    assert (await shop.begin(kinds=ONLY_RECORDS))["status"] == "nothing_to_repair"


async def test_an_alarm_goes_before_a_failing_tool(shop: Workshop) -> None:
    await proposed(shop, change_in(shop), "earlier")
    await ask(shop.team, "UPDATE changes SET status = 'approved' RETURNING 1")
    with standing_alone("case", "deploying"):
        said = Approval(change_id="change", type="approve", digest=change_in(shop).digest, by="me")
        await shop.team.changing.answer(said)
        await shop.team.changing.deploy("change")
    await use(shop, 0, 12)
    state = await shop.begin(kinds=ONLY_RECORDS)
    assert shop.passed == ["detecting", "monitoring"]
    assert state["opportunity"]["kind"] == "alarm"
    assert state["opportunity"]["subject"] == f"{shop.root}:change"


async def test_a_run_begins_with_a_clean_slate(shop: Workshop) -> None:
    stale = {"status": "fixed", "commit": "abc", "change_id": "old", "attempts": 3, "rebased": 2}
    state = await shop.begin(state=stale, kinds=ONLY_RECORDS)
    left = {name: state[name] for name in ("commit", "change_id", "attempts", "rebased", "tried")}
    assert left == {"commit": None, "change_id": None, "attempts": 0, "rebased": 0, "tried": 0}


async def test_what_is_no_work_tree_is_refused(shop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="not a git repository"):
        await shop.begin(workspace=str(tmp_path))


@pytest.mark.needs("bubblewrap")
async def test_a_workspace_without_tests_is_refused(team: Team, saver: Any, tmp_path: Path) -> None:
    files = {"prices.py": MENDED}
    shop = workshop(team, saver, tmp_path, files, alone("detecting", detecting))
    with pytest.raises(NoTestsError, match="no tests"):
        await shop.begin()
