import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agora.domain import git_locks
from tests.conftest import repository, sh

STALE_S = 0.4


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(git_locks, "STALE_S", STALE_S)
    return repository(tmp_path / "w", {"a.txt": "one\n"})


@pytest.fixture
def editing(root: Path) -> Iterator[Path]:
    """The lock of a person who writes the message of a commit."""
    (root / "a.txt").write_text("two\n")
    editor = {"GIT_EDITOR": "sleep 60; false"}
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-a"]
    with subprocess.Popen(command, cwd=root, env=os.environ | editor, process_group=0) as person:
        lock = root / ".git" / "index.lock"
        while not lock.exists():
            time.sleep(0.01)  # noqa: TID251
        yield lock
        os.killpg(person.pid, 9)


async def test_what_dead_gits_have_left_is_removed(root: Path) -> None:
    tree = root.parent / "linked"
    sh(root, "git", "worktree", "add", "-q", "-b", "side", str(tree))
    own = Path(sh(tree, "git", "rev-parse", "--absolute-git-dir"))
    locks = [own / "index.lock", root / ".git" / "refs" / "heads" / "side.lock"]
    for lock in locks:
        lock.touch()
        os.utime(lock, (0, 0))
    await git_locks.remove_stale(str(tree))
    assert not any(lock.exists() for lock in locks)


async def test_a_fresh_lock_is_waited_for_and_goes_only_when_it_stays(root: Path) -> None:
    lock = root / ".git" / "index.lock"
    lock.touch()
    removing = asyncio.create_task(git_locks.remove_stale(str(root)))
    await asyncio.sleep(STALE_S / 2)
    assert lock.exists(), "it may be somebody's who is at work"
    await removing
    assert not lock.exists()


async def test_one_who_has_ended_is_not_waited_for_any_longer(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_locks, "STALE_S", 60)
    lock = root / ".git" / "index.lock"
    lock.touch()
    removing = asyncio.create_task(git_locks.remove_stale(str(root)))
    await asyncio.sleep(0.1)
    assert not removing.done()
    lock.unlink()
    await asyncio.wait_for(removing, 10)


async def test_what_a_living_git_holds_stays(root: Path, editing: Path) -> None:
    os.utime(editing, (0, 0))
    await asyncio.sleep(STALE_S)
    await git_locks.remove_stale(str(root))
    assert editing.exists()
