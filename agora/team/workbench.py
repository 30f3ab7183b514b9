"""The workbench: a clean workspace, a way to run its tests, and copies that may be spoilt."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import TypeVar

import structlog

from agora.domain.contracts import Improvement
from agora.domain.errors import ChildKilledError
from agora.domain.repair.sandbox import Sandbox, choose_sandbox
from agora.domain.repair.workspace import TestCommand, Workspace, open_workspace, pristine
from agora.domain.settings import SandboxSettings

T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Bench:
    """A workspace on the bench: clean, at one commit, with a way to run its tests."""

    order: Improvement
    workspace: Workspace
    command: TestCommand
    sandbox: Sandbox

    def on(self, files: Sequence[str]) -> "Bench":
        """Return the bench with these files of tests only."""
        return replace(self, command=self.command.on(files))

    @property
    def on_all(self) -> "Bench":
        """Return the bench with all tests that were asked for."""
        return replace(self, command=TestCommand.parse(self.order.test, self.workspace))


def opened(settings: SandboxSettings, order: Improvement) -> Bench:
    """Put a workspace on the bench; raise WorkspaceError or SandboxMissingError."""
    workspace = open_workspace(Path(order.workspace))
    command = TestCommand.parse(order.test, workspace)
    return Bench(order, workspace, command, choose_sandbox(settings, order.trust_workspace))


async def on_a_copy(bench: Bench, do: Callable[[Path, Event], T]) -> T:
    """Call `do` in a thread with a pristine copy; when we are cancelled, so is what it runs.

    Should its sandbox be killed, or the git that copies, it is called once more, with another copy.
    """
    cancel = Event()

    def work() -> T:
        with _copy(bench.workspace) as tree:
            return do(tree, cancel)

    try:
        try:
            return await asyncio.to_thread(work)
        except ChildKilledError as error:
            log.warning("begun again", workspace=str(bench.workspace.root), error=str(error))
            return await asyncio.to_thread(work)
    finally:
        cancel.set()


@contextmanager
def _copy(workspace: Workspace) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="agora-bench-") as folder:
        yield pristine(workspace, workspace.head, Path(folder, "tree"))
