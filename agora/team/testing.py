"""Testing: a workspace's tests are run in its sandbox; of many, those near what is repaired."""

import asyncio
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from agora.domain.contracts import Act, ActOutcome, Json, Replay
from agora.domain.errors import SandboxFailedError
from agora.domain.repair import reach
from agora.domain.repair.inquiry import inquire
from agora.domain.repair.sandbox import choose_sandbox
from agora.domain.repair.shadows import Shadow, compare
from agora.domain.repair.trials import TestRun, run_tests
from agora.domain.settings import Settings
from agora.team.acting import Acting, standing_alone
from agora.team.workbench import Bench, on_a_copy

SHADOW_S = 30.0
"""Seconds for what runs beside the old version."""


@dataclass(frozen=True)
class Testing:
    """Runs of a workspace's tests, each of them an act."""

    __test__ = False  # pytest collects classes by name, and this one is no test

    settings: Settings
    acting: Acting

    async def try_sandbox(self) -> None:
        """Run a command that does nothing; raise SandboxMissingError or SandboxFailedError."""
        sandbox = choose_sandbox(self.settings.sandbox, trust_workspace=False)

        def run() -> ActOutcome:
            with tempfile.TemporaryDirectory(prefix="agora-bench-") as folder:
                Path(folder).chmod(0o755)
                ran = sandbox.run(Path(folder), ["/bin/true"], timeout_s=10)
            return ActOutcome(result={"status": ran.status})

        with standing_alone(uuid.uuid4().hex[:16], "doctor"):
            act = Act(kind="run_tests", subject="the sandbox itself")
            await self.acting.perform(act, lambda: asyncio.to_thread(run))

    async def look(self, bench: Bench) -> tuple[TestRun, Json]:
        """Return what fails, and which tests were chosen to see it; {} stands for all of them.

        Where there are many, those near what was changed last come first, and all others only
        if these pass.
        """
        for ordinal, chosen in enumerate(await self._recent(bench), 1):
            before = await self._named(narrowed(bench, chosen), ordinal)
            if before.failing:
                return before, chosen
        before = await self._named(bench, 0)
        return before, await self.near(bench, reach.seen(before)) if before.failing else {}

    async def _recent(self, bench: Bench) -> list[Json]:
        """Return which tests reach what was changed last; [] where all are to be run."""

        def found(tree: Path, _: Event) -> list[Json]:
            recent = reach.recent(bench.workspace.root)
            return [one for paths in recent if (one := self._chosen(bench, tree, paths))]

        return await on_a_copy(bench, found)

    async def _named(self, bench: Bench, ordinal: int) -> TestRun:
        try:
            return await self.run(bench, ordinal)
        except SandboxFailedError as error:
            hint = error.hint or 'name the tests of what fails: --test "pytest tests/…"'
            raise SandboxFailedError(str(error), hint) from None

    async def near(self, bench: Bench, paths: Sequence[str], least: int = 1) -> Json:
        """Return which test files reach these paths, as evidence; {} where all are to be run.

        Those next to them, and others until there are `least`.
        """
        return await on_a_copy(bench, lambda tree, _: self._chosen(bench, tree, paths, least))

    def _chosen(self, bench: Bench, tree: Path, paths: Sequence[str], least: int = 1) -> Json:
        most, among = self.settings.repair.test_files, reach.tests(tree, bench.command)
        found = reach.near(tree, among, paths, most, least) if len(among) > most else ()
        return {"tests_near": {"files": list(found), "of": len(among)}} if found else {}

    async def run(self, bench: Bench, ordinal: int = 0) -> TestRun:
        """Return what the tests on the bench do; raise SandboxFailedError."""

        def do(tree: Path, cancel: Event) -> ActOutcome:
            timeout_s = self.settings.sandbox.test_timeout_s
            ran = run_tests(bench.sandbox, tree, bench.command, timeout_s=timeout_s, cancel=cancel)
            return ActOutcome(result=ran.as_json())

        act = Act(kind="run_tests", subject=str(bench.workspace.root), ordinal=ordinal)
        return TestRun.model_validate(await self.acting.perform(act, lambda: on_a_copy(bench, do)))

    async def inquired(self, bench: Bench, before: TestRun) -> str:
        """Return the suspicious lines, the smallest failing inputs, and the history, as text."""

        def do(tree: Path, cancel: Event) -> ActOutcome:
            try:
                found = inquire(
                    bench.sandbox, tree, bench.command, before, timeout_s=SHADOW_S, cancel=cancel
                )
            except SandboxFailedError:
                return ActOutcome(result={"report": ""})  # the words of the tests must do
            return ActOutcome(result={"report": found.report})

        act = Act(kind="run_tests", subject=f"inquire {bench.workspace.root}", ordinal=1)
        return str((await self.acting.perform(act, lambda: on_a_copy(bench, do)))["report"])


def narrowed(bench: Bench, evidence: Json) -> Bench:
    """Return a bench that runs the tests chosen earlier; the same where none were."""
    chosen = evidence.get("tests_near")
    return bench.on(chosen["files"]) if chosen else bench


def shadows(
    bench: Bench,
    tree: Path,
    before: TestRun,
    diffs: Sequence[str],
    replays: Sequence[Replay],
    cancel: Event,
) -> list[Shadow]:
    """Return how each diff answers recorded and generated calls, beside the old version."""
    try:
        return compare(
            bench.sandbox,
            tree,
            bench.command,
            before,
            diffs,
            replays,
            timeout_s=SHADOW_S,
            seed=bench.order.seed,
            cancel=cancel,
        )
    except SandboxFailedError:
        return []  # what cannot be compared is not held against a patch that the tests accept
