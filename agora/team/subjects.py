"""Subjects: what changes are about, and how a change of each kind takes effect."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from agora.domain import commits, git_locks
from agora.domain.contracts import ActKind, ActOutcome, Change


class Subject(Protocol):
    """What can be changed: applied once, found again after a crash, and taken back."""

    @property
    def act(self) -> ActKind:
        """Return the kind of act that policies know the application as."""

    @property
    def is_inside(self) -> bool:
        """Return whether applying is one transaction of our own database."""

    async def head(self, place: str) -> str:
        """Return the state that the place is in now: what a change is based on."""

    async def apply(self, change: Change) -> ActOutcome:
        """Bring the change in; its result holds the new state as `commit`.

        Raises BaseMovedError where the place has moved on, and then has touched nothing.
        """

    async def finish(self, change: Change) -> ActOutcome | None:
        """Return what a killed application came to, finished; None: it took no effect."""

    async def reversal(self, place: str, applied: str) -> str:
        """Return the diff that takes back what led to the state `applied`."""


@dataclass(frozen=True)
class Workspaces:
    """Git workspaces: a patch becomes a commit, and the place is the folder."""

    act: ActKind = "commit"
    is_inside: bool = False

    async def head(self, place: str) -> str:
        """Return the commit that the workspace stands on."""
        return await asyncio.to_thread(commits.head, place)

    async def apply(self, change: Change) -> ActOutcome:
        """Commit the diff; raises DirtyWorkspaceError where a person has uncommitted work."""
        return await asyncio.to_thread(_commit, change)

    async def finish(self, change: Change) -> ActOutcome | None:
        """Look whether a killed commit took effect, and bring up what it left behind."""
        await git_locks.remove_stale(change.workspace)
        return await asyncio.to_thread(_finish, change)

    async def reversal(self, place: str, applied: str) -> str:
        """Return the diff that takes a commit back."""
        return await asyncio.to_thread(commits.reversal, place, applied)


def _commit(change: Change) -> ActOutcome:
    sha = commits.build(change)
    if not commits.contains(change, sha):  # git may have refused half-way, and somebody resumed
        commits.refuse_dirty(change, sha)
        commits.move_branch(change, sha)
    commits.bring_up(change, sha)
    return ActOutcome(result={"commit": sha})


def _finish(change: Change) -> ActOutcome | None:
    sha = commits.build(change)
    if not commits.contains(change, sha):
        return None
    commits.bring_up(change, sha)
    return ActOutcome(result={"commit": sha})
