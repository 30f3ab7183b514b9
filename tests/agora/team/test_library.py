from pathlib import Path

import pytest

from agora.domain.contracts import AgentTask
from agora.domain.git import GitError
from agora.team import Team
from agora.team.acting import standing_alone
from agora.team.library import state_of
from tests.conftest import ask, commit, repository

TEXT = "# Backups\n\nNightly backups are kept in the cold vault.\n"
QUESTION = "Where are nightly backups kept?"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return repository(tmp_path / "docs", {"README.md": TEXT})


def task(workspace: Path) -> AgentTask:
    return AgentTask(id="t", text=QUESTION, workspace=str(workspace))


async def test_documents_are_read_through_the_ledger(team: Team, workspace: Path) -> None:
    with standing_alone("t", "run"):
        assert await team.answering.library.chance(task(workspace)) > 0.5
        outcome = await team.answering.library.answer(task(workspace))
    assert outcome.evidence[0].quote == "Nightly backups are kept in the cold vault."
    (act,) = await ask(team, "SELECT kind, subject, status FROM acts")
    assert act == {"kind": "read_document", "subject": str(workspace), "status": "done"}


async def test_what_has_changed_is_read_again(team: Team, workspace: Path) -> None:
    with standing_alone("t", "run"):
        await team.answering.library.answer(task(workspace))
        (workspace / "README.md").write_text(TEXT.replace("cold", "blue"))
        assert "blue vault" in (await team.answering.library.answer(task(workspace))).answer
        commit(workspace, "move them")
        assert "blue vault" in (await team.answering.library.answer(task(workspace))).answer


async def test_without_a_workspace_there_are_no_passages(team: Team) -> None:
    with standing_alone("t", "run"):
        assert await team.answering.library.passages(AgentTask(id="t", text=QUESTION)) == []


async def test_a_folder_that_is_no_repository_is_named(team: Team, tmp_path: Path) -> None:
    with standing_alone("t", "run"), pytest.raises(GitError, match="not a git repository"):
        await team.answering.library.answer(task(tmp_path))


def test_a_state_is_a_commit_without_work_on_top(workspace: Path) -> None:
    clean = state_of(str(workspace))
    assert clean and len(clean) == 40
    (workspace / "note.txt").write_text("x")
    assert state_of(str(workspace)) is None
