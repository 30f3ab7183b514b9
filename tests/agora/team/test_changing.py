from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agora.domain.contracts import Change
from agora.domain.errors import BaseMovedError, DirtyWorkspaceError, RefusedError, UsageError
from agora.team import Team
from agora.team.acting import standing_alone
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
