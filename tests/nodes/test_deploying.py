from pathlib import Path
from typing import Any

import pytest

from agora.domain.contracts import Approval, Change
from agora.domain.errors import RefusedError
from agora.domain.git import GitError
from agora.team import Team
from nodes.deploying import deploying
from tests.conftest import ask, commit, sh
from tests.improving import (
    MENDED,
    OTHER_DIFF,
    Workshop,
    alone,
    change_in,
    proposed,
    workshop,
)


@pytest.fixture
def shop(team: Team, saver: Any, tmp_path: Path) -> Workshop:
    return workshop(team, saver, tmp_path, app=alone("deploying", deploying))


async def approved(shop: Workshop, change: Change) -> dict[str, Any]:
    """Propose a change and say yes to it; return the state that deploying finds."""
    state = await proposed(shop, change)
    said = Approval(change_id=change.id, type="approve", digest=change.digest, by="me")
    await shop.team.changing.answer(said)
    await ask(shop.team, "UPDATE changes SET status = 'approved' RETURNING 1")
    return state


async def test_the_approved_diff_becomes_one_commit(shop: Workshop) -> None:
    state = await shop.begin(state=await approved(shop, change_in(shop)))
    assert state["status"] == "fixed" and shop.commits[0] == state["commit"]
    assert len(shop.commits) == 2 and shop.read() == MENDED and not shop.litter
    row = await shop.team.changing.find("change")
    assert (row["status"], row["commit"]) == ("applied", state["commit"])


async def test_a_repeated_node_commits_nothing_more(shop: Workshop) -> None:
    given = await approved(shop, change_in(shop))
    first = await shop.begin("one", state=given, id="case")
    again = await shop.begin("one", state=given, id="case")
    assert first["commit"] == again["commit"] and len(shop.commits) == 2
    told = await ask(shop.team, "SELECT FROM events WHERE kind = 'change.applied'")
    assert len(told) == 1


async def test_without_a_yes_nothing_is_deployed(shop: Workshop) -> None:
    state = await proposed(shop, change_in(shop))
    with pytest.raises(RefusedError, match="not approved"):
        await shop.begin(state=state)
    assert shop.is_untouched


async def test_a_yes_to_other_bytes_deploys_nothing(shop: Workshop) -> None:
    state = await approved(shop, change_in(shop))
    await ask(shop.team, "UPDATE changes SET diff = %s RETURNING 1", OTHER_DIFF)
    with pytest.raises(RefusedError, match="exactly this diff"):
        await shop.begin(state=state)
    assert shop.is_untouched


async def test_a_moved_base_leads_back_to_testing(shop: Workshop) -> None:
    given = await approved(shop, change_in(shop))
    moved = commit(shop.root, "meanwhile")
    state = await shop.begin(state=given)
    assert shop.passed == ["deploying", "testing"] and state["rebased"] == 1
    assert (await shop.team.changing.find("change"))["base"] == moved
    assert shop.commits[0] == moved and not shop.litter


async def test_what_git_refused_half_way_is_finished_by_whoever_resumes(shop: Workshop) -> None:
    given, lock = await approved(shop, change_in(shop)), shop.root / ".git" / "index.lock"
    lock.touch()  # somebody else is at work
    with pytest.raises(GitError, match=r"index\.lock"):
        await shop.begin(state=given)
    lock.unlink()
    state = await shop.go("one", None)
    assert len(shop.commits) == 2 and shop.commits[0] == state["commit"]
    assert shop.read() == MENDED and not shop.litter


async def test_a_watch_begins_with_the_success_so_far(shop: Workshop) -> None:
    told = {"workspace": str(shop.root), "path": "prices.py", "tool": "prices.total"}
    for is_right in (True, True, True, False):
        await shop.team.watching.judge(told | {"is_right": is_right}, "use")
    await shop.begin(state=await approved(shop, change_in(shop)))
    records = await shop.team.watching.records()
    assert records["watches"]["change"]["path"] == "prices.py"
    (applied,) = await ask(shop.team, "SELECT body FROM events WHERE kind = 'change.applied'")
    assert applied["body"]["baseline"] == 0.75


async def test_hooks_and_identity_of_the_machine_do_not_matter(shop: Workshop) -> None:
    hook = shop.root / ".git" / "hooks" / "post-commit"
    hook.parent.mkdir(exist_ok=True)
    for name in ("pre-commit", "post-commit", "reference-transaction", "post-index-change"):
        hook.with_name(name).write_text("#!/bin/sh\ntouch hooked\nexit 1\n")
        hook.with_name(name).chmod(0o755)
    state = await shop.begin(state=await approved(shop, change_in(shop)))
    assert state["status"] == "fixed" and not shop.litter
    assert sh(shop.root, "git", "log", "-1", "--format=%an <%ae>") == "Agora <agora@localhost>"
