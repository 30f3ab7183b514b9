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
from agora.domain.repair import gate, reach
from agora.domain.repair.inquiry import inquire
from agora.domain.repair.reach import LEAST
from agora.domain.repair.sandbox import choose_sandbox
from agora.domain.repair.shadows import Shadow, compare
from agora.domain.repair.trials import Failure, NoTestsError, TestRun, run_tests
from agora.domain.settings import Settings
from agora.team.acting import Acting, standing_alone
from agora.team.workbench import Bench, on_a_copy

QUICK_S = 2.0
"""Seconds for a test that is only next to what is repaired."""
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
            before = await self._named(narrowed(bench, chosen), ordinal, in_time=True)
            if before.failing:
                return _on_time(before), _reached(chosen, before)
        before = await self._named(bench, 0)
        return before, await self.near(bench, reach.seen(before)) if before.failing else {}

    async def _recent(self, bench: Bench) -> list[Json]:
        """Return which tests reach what was changed last; [] where all are to be run."""

        def found(tree: Path, _: Event) -> list[Json]:
            recent = reach.recent(bench.workspace.root)
            return [one for paths in recent if (one := self._chosen(bench, tree, paths))]

        return await on_a_copy(bench, found)

    async def _named(self, bench: Bench, ordinal: int, *, in_time: bool = False) -> TestRun:
        try:
            return await self.run(bench, ordinal, in_time=in_time)
        except SandboxFailedError as error:
            hint = error.hint or 'name the tests of what fails: --test "pytest tests/…"'
            raise type(error)(str(error), hint) from None

    async def near(self, bench: Bench, paths: Sequence[str], least: int = 1) -> Json:
        """Return which test files reach these paths, as evidence; {} where all are to be run.

        Those next to them, and others until there are `least`.
        """
        return await on_a_copy(bench, lambda tree, _: self._chosen(bench, tree, paths, least))

    def _chosen(self, bench: Bench, tree: Path, paths: Sequence[str], least: int = 1) -> Json:
        most, among = self.settings.repair.test_files, reach.tests(tree, bench.command)
        found = reach.near(tree, among, paths, most, least) if len(among) > most else ()
        return {"tests_near": {"files": list(found), "of": len(among)}} if found else {}

    async def widened(
        self, bench: Bench, chosen: Json, path: str, before: TestRun, ordinal: int
    ) -> tuple[Json, TestRun]:
        """Return the tests chosen, and what they did, with those next to a path beside them.

        What fails or takes long without any patch, or does in one round what it does not in the
        other, proves nothing, and is left out.
        """
        found = await self.near(bench.on_all, [path], LEAST)
        near = found.get("tests_near", chosen)["files"]
        known = {name.partition("::")[0] for name in chosen["files"]}
        if not (more := [name for name in near if name not in known]):
            return chosen, before
        ran = await self._steady(bench.on(more), ordinal)
        return chosen | {"files": [*chosen["files"], *_files(more, ran)]}, before.but(
            outcomes=before.outcomes | ran.outcomes, durations=before.durations | ran.durations
        )

    async def _steady(self, bench: Bench, ordinal: int) -> TestRun:
        """Return what passes or is skipped in two rounds, of what is quick; all else is `unrun`."""

        def do(tree: Path, cancel: Event) -> ActOutcome:
            timeout_s = self.settings.sandbox.test_timeout_s

            def trial() -> TestRun:
                return run_tests(
                    bench.sandbox,
                    tree,
                    bench.command,
                    timeout_s=timeout_s,
                    each_s=QUICK_S,
                    within_s=timeout_s / 4,
                    cancel=cancel,
                )

            try:
                one, other = gate.twice(trial)
            except (SandboxFailedError, NoTestsError):
                return ActOutcome(result=TestRun(outcomes={}, unrun=bench.command.places).as_json())
            sound = {
                name: what
                for name, what in one.outcomes.items()
                if what == other.outcomes.get(name) != "failed"
            }
            left = dict.fromkeys([*one.outcomes, *one.unrun, *other.unrun])
            unrun = tuple(name for name in left if name not in sound)
            return ActOutcome(result=one.but(outcomes=sound, failures={}, unrun=unrun).as_json())

        act = Act(kind="run_tests", subject=str(bench.workspace.root), ordinal=ordinal)
        return TestRun.model_validate(await self.acting.perform(act, lambda: on_a_copy(bench, do)))

    async def keeps(self, bench: Bench, before: TestRun, diff: str, ordinal: int) -> bool:
        """Return whether all that passes before passes with a patch, too."""

        def do(tree: Path, cancel: Event) -> ActOutcome:
            gate.write(tree, diff)
            timeout_s = self.settings.sandbox.test_timeout_s
            try:
                after = run_tests(
                    bench.sandbox, tree, bench.command, timeout_s=timeout_s, cancel=cancel
                )
            except SandboxFailedError:
                return ActOutcome(result={"kept": False})
            return ActOutcome(result={"kept": after.upholds(before)})

        act = Act(kind="run_tests", subject=f"keep {bench.workspace.root}", ordinal=ordinal)
        return bool((await self.acting.perform(act, lambda: on_a_copy(bench, do)))["kept"])

    async def run(self, bench: Bench, ordinal: int = 0, *, in_time: bool = False) -> TestRun:
        """Return what the tests on the bench do; raise SandboxFailedError.

        `in_time`: what has not begun in half of the time for tests is left out.
        """

        def do(tree: Path, cancel: Event) -> ActOutcome:
            timeout_s = self.settings.sandbox.test_timeout_s
            within_s = timeout_s / 2 if in_time else None
            ran = run_tests(
                bench.sandbox,
                tree,
                bench.command,
                timeout_s=timeout_s,
                within_s=within_s,
                cancel=cancel,
            )
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


def _reached(chosen: Json, ran: TestRun) -> Json:
    """Return which of the chosen tests have run, of a file in part each by its name."""
    near = chosen["tests_near"]
    return {"tests_near": near | {"files": _files(near["files"], ran)}}


def _files(files: Sequence[str], ran: TestRun) -> list[str]:
    partly = {name.partition("::")[0] for name in ran.unrun}
    names = [name for name in ran.outcomes if name.partition("::")[0] in partly]
    return [*(name for name in files if name not in partly), *names]


def _on_time(ran: TestRun) -> TestRun:
    """Return a run without tests that took longer than they may, if others fail otherwise."""
    late = {name for name in ran.failing if _is_late(ran.failures.get(name))}
    if late >= set(ran.failing):
        return ran
    return ran.but(outcomes={name: what for name, what in ran.outcomes.items() if name not in late})


def _is_late(failure: Failure | None) -> bool:
    return failure is not None and "past its deadline" in failure.message


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
