from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agora.domain.contracts import Change
from agora.domain.errors import BaseMovedError, DirtyWorkspaceError, RefusedError, UsageError
from agora.team import Team
from agora.team.acting import standing_alone
from agora.team.changing import EXPIRY
from agora.team.governing import Governing
from memory import decisions
from tests.conftest import ask, commit, repository, sh

DIFF = """--- a/calc.py
+++ b/calc.py
@@ -1,2 +1,2 @@
 def add(a, b):
-    return a - b
+    return a + b
"""


@pytest.fixture
async def change(team: Team, tmp_path: Path) -> Change:
    workspace = repository(tmp_path / "w", {"calc.py": "def add(a, b):\n    return a - b\n"})
    change = Change(
        id="c1",
        subject="calc.py",
        workspace=str(workspace),
        base=sh(workspace, "git", "rev-parse", "HEAD"),
        diff=DIFF,
        at="2026-01-01T00:00:00Z",
    )
    with standing_alone("case", "improving"):
        await team.changing.propose(change, None, {"report": "line 2"})
    return change


@pytest.fixture(autouse=True)
def deploying() -> Iterator[None]:
    with standing_alone("case", "deploying"):
        yield


async def deploy(team: Team, change: Change) -> str:
    with standing_alone("case", "deploying"):
        return await team.changing.deploy(change.id)


def commits_of(change: Change) -> int:
    return int(sh(change.workspace, "git", "rev-list", "--count", "HEAD"))


async def test_a_person_is_shown_what_will_be_applied(team: Team, change: Change) -> None:
    request = await team.changing.request("c1")
    (action,) = request["action_requests"]
    assert action["args"]["diff"] == DIFF and action["description"] == "line 2"
    assert request["review_configs"][0]["allowed_decisions"] == ["approve", "edit", "reject"]
    assert [row["id"] for row in await team.changing.waiting()] == ["c1"]


async def test_nothing_is_applied_without_a_yes(team: Team, change: Change) -> None:
    with pytest.raises(RefusedError):
        await deploy(team, change)
    with pytest.raises(RefusedError, match="no approval for exactly this diff"):
        await team.changing.apply(change)
    await team.changing.hear("c1", {"type": "reject", "reason": "no"})
    with pytest.raises(RefusedError):
        await deploy(team, change)
    assert commits_of(change) == 1 and await team.changing.waiting() == []


async def test_a_yes_stands_for_the_bytes_that_were_shown(team: Team, change: Change) -> None:
    await team.changing.hear("c1", {"type": "approve"})
    other = change.but(diff=DIFF.replace("a + b", "b + a"))
    with pytest.raises(RefusedError, match="exactly this diff"):
        await team.changing.apply(other)
    await ask(team, "UPDATE changes SET digest = 'another' RETURNING 1")
    assert not await team.changing.is_approved("c1")


async def test_an_approved_change_becomes_one_commit(team: Team, change: Change) -> None:
    assert await team.changing.hear("c1", {"type": "approve", "by": "ada"}) == "approve"
    sha = await deploy(team, change)
    assert await deploy(team, change) == sha == sh(change.workspace, "git", "rev-parse", "HEAD")
    assert commits_of(change) == 2 and (await team.changing.find("c1"))["status"] == "applied"
    told = await ask(team, "SELECT body FROM events WHERE kind = 'change.applied'")
    assert [one["body"]["commit"] for one in told] == [sha]
    async with team.database.transaction() as connection:
        said = [one["action"] for one in await decisions.newest(connection, 9)]
    assert said == ["approve_change", "commit"]


async def test_of_two_people_the_first_one_counts(team: Team, change: Change) -> None:
    assert await team.changing.hear("c1", {"type": "reject", "by": "ada"}) == "reject"
    assert await team.changing.hear("c1", {"type": "approve", "by": "bob"}) == "reject"
    said: Any = await team.changing.answered("c1")
    assert said["by"] == "ada" and not await team.changing.is_approved("c1")


async def test_a_moved_base_is_told_and_the_same_diff_can_go_on_it(
    team: Team, change: Change
) -> None:
    await team.changing.hear("c1", {"type": "approve"})
    (Path(change.workspace) / "more.txt").write_text("x\n")
    commit(Path(change.workspace), "more")
    with pytest.raises(BaseMovedError):
        await deploy(team, change)
    await team.changing.rebase("c1")
    assert await team.changing.is_approved("c1")
    await deploy(team, change)
    assert commits_of(change) == 3 and (Path(change.workspace) / "more.txt").exists()


async def test_a_dirty_tree_is_not_touched(team: Team, change: Change) -> None:
    await team.changing.hear("c1", {"type": "approve"})
    (Path(change.workspace) / "calc.py").write_text("mine\n")
    with pytest.raises(DirtyWorkspaceError):
        await deploy(team, change)
    assert (Path(change.workspace) / "calc.py").read_text() == "mine\n"
    assert commits_of(change) == 1


async def test_what_a_person_wrote_instead_is_a_change_of_its_own(
    team: Team, change: Change
) -> None:
    own = DIFF.replace("a + b", "b + a")
    edit = {"type": "edit", "edited_action": {"args": {"diff": own}}, "by": "ada"}
    assert await team.changing.hear("c1", edit) == "edit"
    edited = await team.changing.edited("c1")
    assert edited == "c1e" and (await team.changing.find(edited))["diff"] == own
    assert await team.changing.is_by_a_person(edited)
    assert not await team.changing.is_approved(edited), "it is tested first"


async def test_an_applied_change_is_taken_back_once(team: Team, change: Change) -> None:
    await team.changing.hear("c1", {"type": "approve"})
    await deploy(team, change)
    commits = []
    for _ in range(2):
        with standing_alone("alarm", "monitoring"):
            commits.append(await team.changing.take_back("c1", "2026-01-02T00:00:00Z"))
    assert commits[0] == commits[1] and commits_of(change) == 3
    assert "a - b" in (Path(change.workspace) / "calc.py").read_text()
    assert (await team.changing.find("c1"))["status"] == "reverted"


async def test_what_was_never_applied_cannot_be_taken_back(team: Team, change: Change) -> None:
    with pytest.raises(UsageError, match="was never applied"):
        await team.changing.take_back("c1", "2026-01-02T00:00:00Z")
    with pytest.raises(UsageError, match="there is no change nothing"):
        await team.changing.find("nothing")


async def test_without_a_policy_that_permits_it_only_a_person_approves(
    team: Team, change: Change
) -> None:
    await team.changing.add_evidence("c1", {"verdict": {"verdict": "accept"}})
    assert not await team.changing.is_settled("c1")
    assert await team.changing.answered("c1") is None


PERMIT = """
@id("small_patches")
@reason("Small, clean patches need nobody's yes.")
permit (principal, action == Action::"approve_change", resource)
when { context.change == "patch" && context.verdict == "accept" && context.lines <= 2 };
"""


async def test_a_policy_may_approve_what_it_describes_and_is_named_in_the_commit(
    team: Team, change: Change, tmp_path: Path
) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "own.cedar").write_text(PERMIT)
    own = team.settings.policy.model_copy(update={"folder": tmp_path / "policies"})
    governing = Governing.load(team.settings.model_copy(update={"policy": own}))
    acting = replace(team.acting, policy=governing)
    changing = replace(team.changing, acting=acting)
    await changing.add_evidence("c1", {"verdict": {"verdict": "flag"}})
    assert not await changing.is_settled("c1"), "the gate has a doubt"
    await changing.add_evidence("c1", {"verdict": {"verdict": "accept"}})
    assert await changing.is_settled("c1")
    said: Any = await changing.answered("c1")
    assert said["by"] == "policy" and "Small, clean patches" in said["reason"]
    await changing.deploy("c1")
    told = sh(change.workspace, "git", "log", "-1", "--format=%(trailers:unfold)")
    assert "Agora-Approved-By: policy" in told


async def test_what_nobody_has_answered_for_long_is_late(team: Team, change: Change) -> None:
    await team.changing.request("c1")
    written = datetime(2026, 1, 1, tzinfo=UTC)
    assert await team.changing.late(written + timedelta(hours=5), timedelta(hours=6)) == []
    (row,) = await team.changing.late(written + timedelta(hours=7), timedelta(hours=6))
    said = {"type": "reject", "by": EXPIRY}
    assert row["id"] == "c1" and await team.changing.hear("c1", said) == "reject"
    assert await team.changing.waiting() == []


async def test_a_person_takes_a_change_back_whatever_came_after_it(
    team: Team, change: Change
) -> None:
    with pytest.raises(UsageError, match="is proposed: there is nothing to take back"):
        await team.changing.roll_back("c1", "2026-01-02T00:00:00Z")
    await team.changing.hear("c1", {"type": "approve"})
    await deploy(team, change)
    reverse = await team.changing._reverse(await team.changing.find("c1"), "c1r", change.at, "")
    (Path(change.workspace) / "more.txt").write_text("x\n")
    moved = commit(Path(change.workspace), "came in between")
    assert reverse.base != moved
    sha = await team.changing.roll_back("c1", "2026-01-02T00:00:00Z")
    assert sh(change.workspace, "git", "rev-parse", "HEAD") == sha and commits_of(change) == 4
    assert "a - b" in (Path(change.workspace) / "calc.py").read_text()
    assert "Agora-Takes-Back: c1" in sh(change.workspace, "git", "log", "-1", "--format=%B")
    with pytest.raises(UsageError, match="is reverted"):
        await team.changing.roll_back("c1", "2026-01-02T00:00:00Z")


async def test_an_approval_whose_logging_was_cut_short_is_logged_before_the_commit(
    team: Team, change: Change
) -> None:
    await team.changing.hear("c1", {"type": "approve", "by": "ada"})
    await ask(team, "UPDATE approvals SET decision = NULL RETURNING 1")
    await deploy(team, change)
    (said,) = await ask(team, "SELECT decision FROM approvals")
    told = sh(change.workspace, "git", "log", "-1", "--format=%B")
    assert f"Agora-Approved-By: ada\nAgora-Decision: {said['decision']}" in told
