"""Gating: a change before it comes near a person: its text, its tests, its answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from agora.domain.contracts import Act, ActOutcome, Json, Replay, Verdict
from agora.domain.repair import gate
from agora.domain.repair.patches import parse
from agora.domain.repair.shadows import Shadow
from agora.domain.repair.trials import NoTestsError, TestRun, run_tests
from agora.domain.settings import Settings
from agora.team.acting import Acting
from agora.team.changing import Changing
from agora.team.constructing import Constructing
from agora.team.speeding import Speeding
from agora.team.testing import Testing, narrowed, shadows
from agora.team.watching import Watching
from agora.team.workbench import Bench, on_a_copy
from memory.database import Row

MORE = 100
"""Ordinals of acts that run the tests of what is patched begin here."""


@dataclass(frozen=True)
class Gating:
    """The gate with its sandbox, and what it has found, kept with the change."""

    settings: Settings
    acting: Acting
    watching: Watching
    changing: Changing
    constructing: Constructing
    testing: Testing
    speeding: Speeding

    async def test(self, bench: Bench, row: Row, times: int) -> Verdict:
        """Return the gate's verdict on a change: its text, then its tests before and after.

        `times` counts the bases that it was tested on before.
        """
        change_id, bench = row["id"], narrowed(bench, row["evidence"])
        if "goal" in row["evidence"]:
            verdict, found = await self.constructing.test(bench, row["diff"], times)
            await self.changing.add_evidence(change_id, found | {"verdict": verdict.as_json()})
            return verdict
        if {"pattern", "speed"} & set(row["evidence"]):
            verdict, found = await self._test_equal(bench, row, times)
            await self.changing.add_evidence(change_id, found | {"verdict": verdict.as_json()})
            return verdict
        diff, before = row["diff"], TestRun.model_validate(row["evidence"]["target"])
        verdict = await on_a_copy(bench, lambda tree, _: gate.judge(tree, diff))
        if verdict.verdict != "refuse":
            bench, before = await self._widened(bench, row, before, times)
            act = Act(kind="run_tests", subject=str(bench.workspace.root), ordinal=times)
            replays = await self.watching.replays(str(bench.workspace.root), row["subject"])
            limit_s = self.settings.sandbox.test_timeout_s
            result = await self.acting.perform(
                act, lambda: _prove(bench, diff, before, replays, limit_s)
            )
            proved = Verdict.model_validate(result["verdict"])
            verdict = proved if proved.verdict == "refuse" else verdict
            found = {"tests": result["report"], "trial": result["trial"]}
            await self.changing.add_evidence(change_id, found)
        await self.changing.add_evidence(change_id, {"verdict": verdict.as_json()})
        return verdict

    async def _widened(
        self, bench: Bench, row: Row, before: TestRun, times: int
    ) -> tuple[Bench, TestRun]:
        """Let the tests next to what is patched count, too, where not all tests are run."""
        if "tests_near" not in row["evidence"]:
            return bench, before
        chosen, ordinal = row["evidence"]["tests_near"], MORE + times
        wider, before = await self.testing.widened(bench, chosen, row["subject"], before, ordinal)
        await self.changing.add_evidence(row["id"], {"tests_near": wider})
        return bench.on(wider["files"]), before

    async def _test_equal(self, bench: Bench, row: Row, times: int) -> tuple[Verdict, Json]:
        """Return the verdict on what must change no result: all tests stay as they are.

        What is to be faster runs its race then, and that compares more than recorded calls.
        """
        diff, is_raced = row["diff"], "speed" in row["evidence"]
        verdict = await on_a_copy(bench, lambda tree, _: gate.judge(tree, diff))
        if verdict.verdict == "refuse":
            return verdict, {}

        root, paths = str(bench.workspace.root), [one.path for one in parse(diff)]
        replays = [] if is_raced else await self.watching.replays(root, *paths)

        def do(tree: Path, cancel: Event) -> ActOutcome:
            timeout_s = self.settings.sandbox.test_timeout_s
            try:
                before = run_tests(
                    bench.sandbox, tree, bench.command, timeout_s=timeout_s, cancel=cancel
                )
            except NoTestsError:
                why = "no test would see it break: write one first"
                blind = Verdict(verdict="refuse", rule="tests", reason=why)
                return ActOutcome(result={"verdict": blind.as_json(), "tests": None})
            proved, report = gate.prove(
                bench.sandbox, tree, bench.command, diff, before, cancel=cancel, repairs=False
            )
            if proved.verdict != "refuse" and replays:
                found = shadows(bench, tree, before, [diff], replays, cancel)
                proved = _replayed(found[0]) if found else proved
            proof = report.as_json() if report else None
            return ActOutcome(result={"verdict": proved.as_json(), "tests": proof})

        act = Act(kind="run_tests", subject=str(bench.workspace.root), ordinal=times)
        said = await self.acting.perform(act, lambda: on_a_copy(bench, do))
        proved, found = Verdict.model_validate(said["verdict"]), {"tests": said["tests"]}
        if proved.verdict != "refuse" and is_raced:
            proved, ran = await self.speeding.test(bench, row, times)
            found |= ran
        return (proved if proved.verdict == "refuse" else verdict), found


async def _prove(
    bench: Bench, diff: str, before: TestRun, replays: Sequence[Replay], limit_s: float
) -> ActOutcome:
    def do(tree: Path, cancel: Event) -> ActOutcome:
        # Both rounds share the machine.
        verdict, report = gate.prove(
            bench.sandbox,
            tree,
            bench.command,
            diff,
            before,
            timeout_s=gate.ROUNDS * limit_s,
            cancel=cancel,
        )
        told: Json = {}
        if verdict.verdict != "refuse":
            again = run_tests(bench.sandbox, tree, bench.command, timeout_s=limit_s, cancel=cancel)
            verdict, told = _beside(bench, tree, diff, before, again, replays, cancel)
        proof = report.as_json() if report else None
        return ActOutcome(result={"verdict": verdict.as_json(), "report": proof, "trial": told})

    return await on_a_copy(bench, do)


def _beside(
    bench: Bench,
    tree: Path,
    diff: str,
    before: TestRun,
    again: TestRun,
    replays: Sequence[Replay],
    cancel: Event,
) -> tuple[Verdict, Json]:
    """Let the patch run beside the old version, which fails again, on calls."""
    if lucky := sorted(set(before.failing) & set(again.passing)):
        why = f"{lucky[0]} passes without the patch, too, when it is run again"
        return Verdict(verdict="refuse", rule="flaky", reason=why), {}
    found = shadows(bench, tree, before, [diff], replays, cancel)
    if not found:
        return Verdict(verdict="accept"), {}
    told = found[0].as_json() | {"told": found[0].told}
    return _replayed(found[0]), told


def _replayed(shadow: Shadow) -> Verdict:
    if not shadow.broken:
        return Verdict(verdict="accept")
    why = "a recorded good call gives {after} now, not {before}: {call}".format(**shadow.broken[0])
    return Verdict(verdict="refuse", rule="replay", reason=why)
