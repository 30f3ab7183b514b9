import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agora.domain import commits
from agora.domain.contracts import Act, Change
from agora.domain.doors import opened
from agora.domain.errors import BaseMovedError, ChildKilledError, DirtyWorkspaceError
from agora.domain.git import GitError
from tests.conftest import commit, repository, sh
from tests.dying_git import BEFORE, DyingGit, dying_git

__all__ = ["dying_git"]

DIFF = """--- a/calc.py
+++ b/calc.py
@@ -1,2 +1,2 @@
 def add(a, b):
-    return a - b
+    return a + b
--- /dev/null
+++ b/pkg/fresh.py
@@ -0,0 +1 @@
+x = 1
--- a/old.py
+++ /dev/null
@@ -1 +0,0 @@
-y = 1
"""


@pytest.fixture
def change(tmp_path: Path) -> Iterator[Change]:
    files = {
        "calc.py": "def add(a, b):\n    return a - b\n",
        "old.py": "y = 1\n",
        "mine.txt": "m\n",
    }
    workspace = repository(tmp_path / "w", files)
    base = commits.head(str(workspace))
    with opened(Act(kind="commit", subject="w")):
        yield Change(
            id="c1",
            subject="calc.py",
            workspace=str(workspace),
            base=base,
            diff=DIFF,
            at="2026-01-01T00:00:00Z",
        )


def apply(change: Change) -> str:
    sha = commits.build(change)
    commits.refuse_dirty(change, sha)
    commits.move_branch(change, sha)
    commits.bring_up(change, sha)
    return sha


def status(change: Change) -> str:
    return sh(change.workspace, "git", "status", "--porcelain")


def test_a_commit_built_twice_has_one_sha_and_no_branch(change: Change) -> None:
    sha = commits.build(change)
    assert commits.build(change) == sha
    assert commits.head(change.workspace) == change.base and status(change) == ""
    assert not commits.contains(change, sha)


def test_a_git_that_is_killed_has_not_said_no(change: Change, dying_git: DyingGit) -> None:
    sha = apply(change)
    dying_git.dies("merge-base", BEFORE, times=2)
    with pytest.raises(ChildKilledError, match="was killed by signal 9"):
        commits.contains(change, sha)


def test_branch_files_and_index_are_brought_up(change: Change) -> None:
    sha = apply(change)
    workspace = Path(change.workspace)
    assert commits.head(change.workspace) == sha and status(change) == ""
    assert "a + b" in (workspace / "calc.py").read_text()
    assert (workspace / "pkg/fresh.py").exists() and not (workspace / "old.py").exists()
    assert commits.contains(change, sha)
    message = sh(workspace, "git", "log", "-1", "--format=%B")
    assert "Agora-Change: c1" in message and f"Agora-Digest: {change.digest}" in message
    assert sh(workspace, "git", "rev-parse", "refs/agora/before/c1") == change.base


def test_bringing_up_bears_repeating_from_any_state(change: Change) -> None:
    sha = commits.build(change)
    commits.move_branch(change, sha)
    (Path(change.workspace) / "old.py").unlink()  # half done, then killed
    for _ in range(2):
        commits.bring_up(change, sha)
        assert status(change) == ""


def test_a_persons_work_is_not_overwritten(change: Change) -> None:
    sha = commits.build(change)
    commits.move_branch(change, sha)
    (Path(change.workspace) / "calc.py").write_text("mine\n")
    with pytest.raises(DirtyWorkspaceError, match="neither as before the change nor as after"):
        commits.bring_up(change, sha)
    assert (Path(change.workspace) / "calc.py").read_text() == "mine\n"


def test_what_came_on_top_is_left_alone(change: Change) -> None:
    sha = apply(change)
    (Path(change.workspace) / "calc.py").write_text("later\n")
    later = commit(Path(change.workspace), "later")
    commits.bring_up(change, sha)
    assert commits.head(change.workspace) == later and commits.contains(change, sha)
    (Path(change.workspace) / "calc.py").write_text("still being written\n")
    commits.bring_up(change, sha)
    assert (Path(change.workspace) / "calc.py").read_text() == "still being written\n"


@pytest.mark.parametrize("path", ["calc.py", "mine.txt", "pkg/fresh.py"])
def test_a_dirty_tree_is_never_committed_over(change: Change, path: str) -> None:
    file = Path(change.workspace) / path
    file.parent.mkdir(exist_ok=True)
    file.write_text("mine\n" * 2)
    with pytest.raises(DirtyWorkspaceError, match=path):
        commits.refuse_dirty(change, commits.build(change))


def test_an_untracked_file_elsewhere_is_no_hindrance(change: Change) -> None:
    (Path(change.workspace) / "notes.txt").write_text("mine\n")
    commits.refuse_dirty(change, commits.build(change))


def test_a_branch_that_has_moved_is_not_moved(change: Change) -> None:
    sha = commits.build(change)
    (Path(change.workspace) / "mine.txt").write_text("more\n")
    other = commit(Path(change.workspace), "other")
    with pytest.raises(BaseMovedError):
        commits.move_branch(change, sha)
    assert commits.head(change.workspace) == other


def test_a_lock_in_the_way_is_no_moved_base(change: Change) -> None:
    sha = commits.build(change)
    lock = Path(change.workspace, ".git", "HEAD.lock")
    lock.touch()
    with pytest.raises(GitError, match="lock"):
        commits.move_branch(change, sha)
    lock.unlink()
    commits.move_branch(change, sha)
    assert commits.head(change.workspace) == sha


def test_files_that_were_committed_already_are_not_committed_twice(change: Change) -> None:
    workspace = Path(change.workspace)
    first = commits.commit_files(workspace, {"more.txt": "x\n"}, "More")
    assert commits.commit_files(workspace, {"more.txt": "x\n"}, "More") == first != change.base


def test_a_reversal_takes_a_commit_back(change: Change) -> None:
    sha = apply(change)
    back = change.but(
        id="c1r",
        takes_back="c1",
        base=sha,
        diff=commits.reversal(change.workspace, sha),
    )
    apply(back)
    assert sh(change.workspace, "git", "diff", "--stat", change.base) == ""
    assert (Path(change.workspace) / "old.py").read_text() == "y = 1\n"


def test_an_executable_stays_one(change: Change) -> None:
    tool = Path(change.workspace) / "calc.py"
    tool.chmod(0o755)
    base = commit(Path(change.workspace), "executable")
    apply(change.but(base=base))
    assert os.access(tool, os.X_OK) and status(change) == ""
