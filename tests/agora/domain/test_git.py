import os
from pathlib import Path

import pytest

from agora.domain import git
from agora.domain.contracts import Act
from agora.domain.doors import opened
from agora.domain.errors import ChildKilledError, OutsideOfActError
from agora.domain.git import GitError
from tests.conftest import repository, sh
from tests.dying_git import BEFORE, DyingGit, dying_git

__all__ = ["dying_git"]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return repository(tmp_path / "w", {"a.txt": "one\n"})


def test_looking_needs_no_act_and_writing_does(workspace: Path) -> None:
    assert git.read(workspace, "ls-files") == "a.txt"
    with pytest.raises(OutsideOfActError):
        git.write(workspace, "tag", "x")
    with opened(Act(kind="ask_model", subject="m")), pytest.raises(OutsideOfActError):
        git.write(workspace, "tag", "x")
    assert git.read(workspace, "tag") == ""
    with opened(Act(kind="commit", subject="w")):
        git.write(workspace, "tag", "x")
    assert git.read(workspace, "tag") == "x"


def test_what_git_refuses_is_said_in_its_own_words(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(GitError, match="git rev-parse in .*unknown revision"):
        git.read(workspace, "rev-parse", "nowhere")
    (tmp_path / "plain").mkdir()
    with pytest.raises(GitError, match="not a git repository"):
        git.read(tmp_path / "plain", "status")


def test_a_look_that_is_killed_is_taken_again_and_a_change_is_not(
    workspace: Path, dying_git: DyingGit
) -> None:
    dying_git.dies("ls-files", BEFORE)
    assert git.read(workspace, "ls-files") == "a.txt" and dying_git.deaths == 1
    dying_git.dies("tag", BEFORE)
    with opened(Act(kind="commit", subject="w")), pytest.raises(ChildKilledError, match="killed"):
        git.write(workspace, "tag", "x")


def test_what_only_looks_locks_nothing(workspace: Path) -> None:
    os.utime(workspace / "a.txt", (0, 0))  # an index that git would like to bring up to date
    before = (workspace / ".git" / "index").stat()
    assert git.read(workspace, "status", "--porcelain") == ""
    after = (workspace / ".git" / "index").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_nobodys_configuration_or_hook_matters(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = workspace / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\ntouch hooked\n")
    hook.chmod(0o755)
    monkeypatch.setenv("GIT_AUTHOR_NAME", "somebody")
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    with opened(Act(kind="commit", subject="w")):
        git.write(workspace, "commit", "--allow-empty", "--quiet", "--message", "two")
    assert git.read(workspace, "log", "-1", "--format=%an <%ae>") == "Agora <agora@localhost>"
    assert not (workspace / "hooked").exists()


def test_bytes_that_are_no_text_come_through(workspace: Path) -> None:
    (workspace / "b.txt").write_bytes(b"caf\xe9\n")
    with opened(Act(kind="commit", subject="w")):
        git.write(workspace, "add", "b.txt")
        text = git.read(workspace, "cat-file", "-p", ":b.txt")
        sha = git.write(workspace, "hash-object", "-w", "--stdin", stdin=f"{text}\n")
    assert sha == sh(workspace, "git", "hash-object", "b.txt")


def test_a_missing_git_is_named(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(GitError, match="git is not installed") as caught:
        git.read(workspace, "status")
    assert "install git" in caught.value.hint
