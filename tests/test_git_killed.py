"""Deployments whose git is killed with -9: at each command, before, amid and after its work."""

import random
from pathlib import Path
from typing import Any

import pytest

from agora.domain import git_locks
from agora.domain.contracts import Approval, Improvement, Json
from agora.domain.errors import ChildKilledError
from agora.team import Team
from agora.team.acting import LIVES
from agora.team.workbench import on_a_copy, opened
from nodes.deploying import deploying
from tests.conftest import ask
from tests.dying_git import AFTER, AMID, BEFORE, DyingGit, after, dying_git
from tests.improving import BROKEN, MENDED, Workshop, alone, change_in, proposed, workshop

__all__ = ["dying_git"]
COMMANDS = (
    "read-tree",
    "apply",
    "write-tree",
    "commit-tree",
    "update-ref refs",
    "update-ref -m",
    "cat-file",
    "restore",
)
MANNERS = {"before": BEFORE, "amid": AMID, "after": AFTER}


@pytest.fixture(autouse=True)
def soon_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_locks, "STALE_S", 0.05)


@pytest.fixture
def shop(team: Team, saver: Any, tmp_path: Path) -> Workshop:
    return workshop(team, saver, tmp_path, app=alone("deploying", deploying))


async def approved(shop: Workshop) -> Json:
    change = change_in(shop)
    state = await proposed(shop, change)
    said = Approval(change_id=change.id, type="approve", digest=change.digest, by="me")
    await shop.team.changing.answer(said)
    await ask(shop.team, "UPDATE changes SET status = 'approved' RETURNING 1")
    return state


async def is_done_once(shop: Workshop, commit: str) -> bool:
    """Return whether the workspace and the ledger are as if nobody had been killed."""
    is_there = len(shop.commits) == 2 and shop.commits[0] == commit and shop.read() == MENDED
    locks = list((shop.root / ".git").rglob("*.lock"))
    acts = await ask(shop.team, "SELECT status FROM acts WHERE kind = 'commit'")
    told = await ask(shop.team, "SELECT FROM events WHERE kind = 'change.applied'")
    is_told = [one["status"] for one in acts] == ["done"] and len(told) == 1
    return is_there and is_told and not shop.litter and not locks


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("command", COMMANDS)
async def test_a_run_goes_on_whenever_its_git_is_killed(
    shop: Workshop, dying_git: DyingGit, command: str, manner: str
) -> None:
    given = await approved(shop)
    dying_git.dies(command, MANNERS[manner])
    state = await shop.begin(state=given)
    assert dying_git.deaths == 1 and state["status"] == "fixed" and shop.passed == ["deploying"]
    assert await is_done_once(shop, state["commit"])


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_run_goes_on_at_whatever_moment_of_its_true_work_git_is_killed(
    shop: Workshop, dying_git: DyingGit, command: str
) -> None:
    given = await approved(shop)
    seconds = random.uniform(0, 0.004)
    dying_git.dies(command, after(seconds), times=LIVES - 1)
    state = await shop.begin(state=given)
    assert dying_git.deaths and await is_done_once(shop, state["commit"]), f"after {seconds} s"


async def test_what_is_killed_again_and_again_is_told_and_finished_by_whoever_resumes(
    shop: Workshop, dying_git: DyingGit
) -> None:
    given = await approved(shop)
    dying_git.dies("restore", AMID, times=LIVES)
    with pytest.raises(ChildKilledError, match="git restore in .* was killed by signal 9"):
        await shop.begin(state=given)
    (act,) = await ask(shop.team, "SELECT status FROM acts WHERE kind = 'commit'")
    assert act["status"] == "open", "nobody has said what became of it"
    state = await shop.go("one", None)
    assert await is_done_once(shop, state["commit"])


@pytest.mark.parametrize("command", ["read-tree", "checkout-index"])
@pytest.mark.parametrize("manner", MANNERS)
async def test_a_copy_for_the_bench_is_made_again(
    shop: Workshop, dying_git: DyingGit, command: str, manner: str
) -> None:
    order = Improvement(workspace=str(shop.root), test="pytest -q", trust_workspace=True)
    bench = opened(shop.team.settings.sandbox, order)
    dying_git.dies(command, MANNERS[manner])
    assert await on_a_copy(bench, lambda tree, _: (tree / "prices.py").read_text()) == BROKEN
    assert dying_git.deaths == 1
