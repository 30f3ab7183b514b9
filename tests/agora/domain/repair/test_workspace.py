import os
import stat
import sys
from pathlib import Path

import pytest

from agora.domain.errors import DirtyWorkspaceError, WorkspaceError
from agora.domain.repair.interpreters import OWN, Interpreter
from agora.domain.repair.workspace import TestCommand, Workspace, open_workspace, pristine
from tests.conftest import commit, repository, sh


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return repository(
        tmp_path / "workspace", {"tool.py": "X = 1\n", "test_tool.py": "import tool\n"}
    )


def parsed(text: str, root: Path) -> TestCommand:
    return TestCommand.parse(text, open_workspace(root))


def refused(path: Path) -> str:
    with pytest.raises(WorkspaceError) as caught:
        open_workspace(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_clean_repository_opens_at_its_commit(root: Path) -> None:
    assert open_workspace(root) == Workspace(root, sh(root, "git", "rev-parse", "HEAD"), "main")


def test_untracked_files_are_no_obstacle(root: Path) -> None:
    (root / "notes.py").write_text("not mine to judge")
    assert open_workspace(root).branch == "main"


def test_what_cannot_be_worked_on_is_told_in_one_sentence(root: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    sh(tmp_path, "git", "init", "-q", "-b", "main", "empty")
    sh(tmp_path, "git", "init", "-q", "--bare", "bare")
    (root / "inner").mkdir()
    assert "no such folder" in refused(tmp_path / "nowhere")
    assert "not a git repository" in refused(tmp_path / "plain")
    assert "no commit" in refused(tmp_path / "empty")
    assert "bare" in refused(tmp_path / "bare")
    assert "inside of the repository" in refused(root / "inner")
    sh(root, "git", "checkout", "-q", "--detach")
    assert "no branch" in refused(root)


def test_uncommitted_work_is_named(root: Path) -> None:
    (root / "tool.py").write_text("X = 2\n")
    with pytest.raises(DirtyWorkspaceError, match="tool.py has uncommitted"):
        open_workspace(root)
    sh(root, "git", "add", "-A")
    with pytest.raises(DirtyWorkspaceError):
        open_workspace(root)


def test_a_merge_in_progress_is_not_disturbed(root: Path) -> None:
    (root / ".git" / "MERGE_HEAD").write_text(sh(root, "git", "rev-parse", "HEAD"))
    assert "merge is in progress" in refused(root)


def test_a_pristine_copy_has_the_commits_files_and_nothing_else(root: Path, tmp_path: Path) -> None:
    (root / "data.bin").write_bytes(bytes(range(256)))
    (root / "latin.txt").write_bytes("käse".encode("latin-1"))
    os.symlink("tool.py", root / "link.py")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / ".gitattributes").write_text("tool.py export-ignore\n")
    odd = os.fsdecode(b"odd-\xff.txt")
    (root / odd).write_text("odd")
    head = commit(root, "everything")
    (root / "untracked.py").write_text("x")
    copy = pristine(open_workspace(root), head, tmp_path / "copy")
    tracked = {".gitattributes", "data.bin", "latin.txt", "link.py", "run.sh", "test_tool.py"}
    assert {path.name for path in copy.iterdir()} == tracked | {"tool.py", odd}
    assert (copy / "data.bin").read_bytes() == bytes(range(256))
    assert (copy / "link.py").is_symlink()
    assert (copy / "run.sh").stat().st_mode & stat.S_IXUSR


def test_looking_writes_nothing(root: Path, tmp_path: Path) -> None:
    def state() -> dict[str, tuple[float, int]]:
        found = {str(p): p.lstat() for p in root.rglob("*")}
        return {name: (s.st_mtime, s.st_size) for name, s in found.items()}

    os.utime(root / "tool.py", (1, 1))  # an index refresh would note this
    before = state()
    workspace = open_workspace(root)
    TestCommand.parse("pytest -q", workspace)
    pristine(workspace, workspace.head, tmp_path / "copy")
    assert state() == before


def test_a_version_managers_script_that_is_killed_is_asked_again(
    root: Path, tmp_path: Path
) -> None:
    mark, shim = tmp_path / "killed", root / "bin" / "python"
    shim.parent.mkdir()
    shim.write_text(
        f"#!/bin/sh\n[ -e {mark} ] || {{ touch {mark}; kill -9 $$; }}\necho {sys.executable}\n"
    )
    shim.chmod(0o755)
    assert parsed("bin/python -m pytest", root).interpreter == OWN and mark.exists()


def test_only_pytest_is_a_test_command(root: Path) -> None:
    for text in ("make test", "python test_tool.py", "sh -c pytest", "", "pytest 'x"):
        with pytest.raises(WorkspaceError):
            parsed(text, root)
    with pytest.raises(WorkspaceError, match="bin/pytest does not exist"):
        parsed("bin/pytest -q", root)


def test_arguments_and_assignments_are_kept(root: Path) -> None:
    command = parsed("PYTHONPATH=src python -m pytest -k 'a or b'", root)
    assert command.arguments == ("-k", "a or b") and command.is_module
    assert command.env == {"PYTHONPATH": "src"}
    assert not parsed("pytest -q", root).is_module


def test_without_pytest_on_the_path_ours_runs_the_tests(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    git = sh(root, "which", "git")
    (tmp_path / "bin").mkdir()
    os.symlink(git, tmp_path / "bin" / "git")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert parsed("pytest -q", root).interpreter == OWN
    assert parsed("python -m pytest", root).interpreter == OWN


def test_a_workspaces_own_environment_comes_first(root: Path) -> None:
    place = root / ".venv"
    (place / "bin").mkdir(parents=True)
    (place / "lib" / "python3.11" / "site-packages" / "pytest").mkdir(parents=True)
    (place / "lib" / "python3.11" / "site-packages" / "pytest" / "__init__.py").touch()
    (place / "pyvenv.cfg").touch()
    os.symlink(sys.executable, place / "bin" / "python")
    (place / "bin" / "pytest").write_text(f"#!{place}/bin/python\n")
    (place / "bin" / "pytest").chmod(0o755)
    command = parsed("pytest -q", root)
    assert command.interpreter == Interpreter(place / "bin" / "python")
    assert place in command.readable
    assert parsed(".venv/bin/pytest", root).interpreter == command.interpreter


def test_plugins_load_where_the_workspace_speaks_of_them(root: Path) -> None:
    assert "asyncio" in parsed("pytest", root).idle
    (root / "test_async.py").write_text("import asyncio\n")
    commit(root, "async")
    assert "asyncio" not in parsed("pytest", root).idle
