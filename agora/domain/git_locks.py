"""Locks that a killed git leaves in a repository, and on which every later git fails.

Git locks the index and each ref that it writes by a file; only that git removes it.
"""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from agora.domain import git

STALE_S = 10.0
"""No git command of ours takes as long."""
GLANCE_S = 0.1


async def remove_stale(workspace: str) -> None:
    """Remove the locks that a dead git has left; only for an act that was killed.

    Younger than `STALE_S` they may be somebody's who is at work, perhaps on another machine:
    these are waited for. What a living git may hold, that of an open editor too, is left alone.
    """
    folders = await asyncio.to_thread(_folders, workspace)
    until = time.monotonic() + STALE_S + GLANCE_S
    while await asyncio.to_thread(_is_any_young, folders) and time.monotonic() < until:
        await asyncio.sleep(GLANCE_S)
    await asyncio.to_thread(_remove, folders, Path(workspace).resolve())


def _is_any_young(folders: Iterable[Path]) -> bool:
    return any(age < STALE_S for age in _ages(folders).values())


def _remove(folders: Iterable[Path], workspace: Path) -> None:
    stale = [lock for lock, age in _ages(folders).items() if age >= STALE_S]
    if stale and not _is_held([workspace, *folders]):
        for lock in stale:
            lock.unlink(missing_ok=True)


def _folders(workspace: str) -> list[Path]:
    """Return where git keeps its locks; those of a linked work tree's branches are elsewhere."""
    told = git.read(workspace, "rev-parse", "--absolute-git-dir", "--git-common-dir")
    return [Path(workspace, one).resolve() for one in dict.fromkeys(told.splitlines())]


def _ages(folders: Iterable[Path]) -> dict[Path, float]:
    """Return the seconds since each lock was last written."""
    ages: dict[Path, float] = {}
    for folder in folders:
        for lock in [*folder.glob("*.lock"), *folder.glob("refs/**/*.lock")]:
            with suppress(FileNotFoundError):
                ages[lock] = time.time() - lock.stat().st_mtime
    return ages


def _is_held(places: Iterable[Path]) -> bool:
    """Return whether a git has been at work in one of these folders for long enough to be it."""
    import psutil

    for one in psutil.process_iter(["name", "cwd", "create_time"]):
        name, cwd, began = one.info["name"], one.info["cwd"], one.info["create_time"]
        if name == "git" and cwd and time.time() - began > STALE_S / 2:
            if any(Path(cwd).is_relative_to(place) for place in places):
                return True
    return False
