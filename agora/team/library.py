"""The library: documents of a workspace, read through the ledger, kept while its state stays."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from agora.domain import documents, git
from agora.domain.contracts import Act, ActOutcome, AgentOutcome, AgentTask
from agora.domain.errors import WorkspaceError
from agora.domain.git import GitError
from agora.domain.passages import Document, Passage
from agora.domain.redaction import redact
from agora.team.acting import Acting


def state_of(workspace: str) -> str | None:
    """Return the commit of a clean git work tree; None when there is uncommitted work."""
    if git.read(workspace, "status", "--porcelain"):
        return None
    return git.read(workspace, "rev-parse", "HEAD")


def work_tree(folder: str | None) -> str | None:
    """Return the root of the git work tree around a folder; by default around the current one.

    None where there is none, unless a folder was named: then raises WorkspaceError.
    """
    try:
        return git.read(Path(folder or ".").absolute(), "rev-parse", "--show-toplevel")
    except (GitError, OSError):
        if folder is None:
            return None
        raise WorkspaceError(f"{folder}: is not a git work tree", "git init") from None


@dataclass
class Library:
    """What the librarian reads, and what other experts are given to read."""

    acting: Acting
    secrets: Sequence[str] = ()
    _shelves: dict[str, tuple[str, list[Document]]] = field(default_factory=dict, init=False)

    async def chance(self, task: AgentTask) -> float:
        """Return how likely the documents answer this question, in [0, 1]."""
        return await asyncio.to_thread(documents.can_answer, task.text, await self.read(task))

    async def answer(self, task: AgentTask) -> AgentOutcome:
        """Answer by quoting, or say that nothing was found."""
        said = await asyncio.to_thread(documents.answer, task.text, await self.read(task))
        return AgentOutcome.model_validate(redact(said.model_dump(), self.secrets))

    async def passages(self, task: AgentTask, limit: int = 4) -> list[Passage]:
        """Return the passages that speak most of the question; none without a workspace."""
        if task.workspace is None:
            return []
        read = await self.read(task)
        found = await asyncio.to_thread(documents.find_passages, read, task.text, limit)
        return [replace(one, text=redact(one.text, self.secrets)) for one in found]

    async def read(self, task: AgentTask) -> list[Document]:
        """Return the documents of the task's workspace; raise GitError where it is none."""
        workspace = str(task.workspace)
        act = Act(
            kind="read_document",
            subject=workspace,
            actor="librarian",
            facts={"labels": list(task.labels), "tenant": task.tenant},
        )
        await self.acting.perform(act, lambda: self._fetch(workspace), only_reads=True)
        return self._shelves[workspace][1]

    async def _fetch(self, workspace: str) -> ActOutcome:
        state = await asyncio.to_thread(_fingerprint, workspace)
        known = self._shelves.get(workspace)
        if known is None or known[0] != state:
            found = await asyncio.to_thread(documents.read_documents, Path(workspace))
            known = self._shelves[workspace] = (state, found)
        return ActOutcome(result={"documents": len(known[1]), "state": state})


def _fingerprint(workspace: str) -> str:
    """Return what changes whenever a tracked file or the commit does."""
    try:
        head = git.read(workspace, "rev-parse", "HEAD")
    except GitError:
        head = ""  # no commit yet
    changed = git.read(workspace, "status", "--porcelain", "-z").split("\0")
    times = [_touched(Path(workspace, line[3:])) for line in changed if line]
    return f"{head} {changed} {times}"


def _touched(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else 0
