"""Repairing: a workspace's tests are run, its failures understood, patches searched and proved."""

import asyncio
import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from agora.domain import commits
from agora.domain.contracts import (
    Act,
    ActOutcome,
    Change,
    Improvement,
    Json,
    Opportunity,
    Verdict,
    digest_of,
)
from agora.domain.errors import ClaimHeldError
from agora.domain.repair import gate, reports
from agora.domain.repair.relevance import about
from agora.domain.repair.sandbox import choose_sandbox
from agora.domain.repair.search import Candidate, search
from agora.domain.repair.trials import TestRun, run_tests
from agora.domain.settings import Settings
from agora.team.acting import Acting, case, standing_alone
from agora.team.changing import Changing
from agora.team.clocks import Clock
from agora.team.watching import Watching
from agora.team.workbench import Bench, on_a_copy, opened
from memory.database import Row

Tell = Callable[..., None]
WORKERS = 2
"""Sandboxes that a search uses at a time."""


@dataclass(frozen=True)
class Repairing:
    """The repairer: works without any model."""

    settings: Settings
    acting: Acting
    watching: Watching
    changing: Changing
    clock: Clock

    async def open(self, order: Improvement) -> Bench:
        """Look whether the workspace can be worked on; raise WorkspaceError, in one sentence."""

        return await asyncio.to_thread(opened, self.settings.sandbox, order)

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

    async def waiting_at(self, workspace: str) -> Row | None:
        """Return a change that waits for approval on the commit that the workspace is at.

        One that waits on an older commit was overtaken: it is given up, its opportunity is free.
        """
        for row in await self.changing.waiting():
            if row["workspace"] == workspace:
                if row["base"] == await asyncio.to_thread(commits.head, workspace):
                    return row
                await self.changing.give_up(row["id"], "the workspace has moved on")
                await self.watching.reopen(row["opportunity_id"])
        return None

    async def detect(self, order: Improvement) -> Opportunity | None:
        """Return the most pressing opportunity of the workspace, claimed; None if all is well.

        Raises ClaimHeldError where tests fail and another run has begun to repair them.
        """
        bench = await self.open(order)
        root, here = str(bench.workspace.root), case.get()
        recorded = [kind for kind in order.kinds if kind != "failing_tests"]
        if recorded:
            await self.watching.detect(root, order.preset)
            if found := await self.watching.claim(here.thread_id, recorded, f"{root}:"):
                return found
        if "failing_tests" not in order.kinds:
            return None
        before = await self._run_tests(bench)
        if not before.failing:
            return None
        evidence = {"base": bench.workspace.head, "before": before.as_json()}
        return await self._claim_failing_tests(root, evidence)

    async def _claim_failing_tests(self, root: str, evidence: Json) -> Opportunity:
        thread_id, subject = case.get().thread_id, f"{root}:"
        found = await self.watching.claim(thread_id, ["failing_tests"], subject)
        # What another run has found out stays as it is: it may be resumed.
        if found is None and not await self.watching.is_known("failing_tests", subject):
            await self.watching.open_one(Opportunity(id="", kind="failing_tests", subject=subject))
            found = await self.watching.claim(thread_id, ["failing_tests"], subject)
        if found is None:
            raise ClaimHeldError(
                f"another run has begun to repair {root}",
                "agora resume goes on with it, unless it waits: agora approvals list",
            )
        await self.watching.add_evidence(found.id, evidence)
        return found

    async def investigate(self, order: Improvement, opportunity_id: str) -> str:
        """Add to the opportunity what fails and where, and return it as a readable report."""
        bench, row = await self.open(order), await self.watching.find(opportunity_id)
        evidence: Json = row["evidence"]
        before = _known(evidence, bench.workspace.head) or await self._run_tests(bench)
        report = reports.report(before, evidence)
        entered = await on_a_copy(bench, lambda tree, _: reports.entries(before, tree))
        found = {"base": bench.workspace.head, "before": before.as_json(), "report": report}
        found |= {"entries": entered}
        await self.watching.add_evidence(opportunity_id, found)
        return report

    async def improve(
        self, order: Improvement, opportunity_id: str, attempt: int, tell: Tell
    ) -> tuple[str | None, int]:
        """Search for a patch and propose the best one; return its id, and how many were tried."""
        bench, row = await self.open(order), await self.watching.find(opportunity_id)
        evidence: Json = row["evidence"]
        target = _target(evidence, attempt)
        if target is None:
            return None, 0
        act = Act(kind="run_tests", subject=f"search {bench.workspace.root}", actor="repairer")
        # What is tried after this attempt shares the time that is left: all of it is the limit.
        halves = attempt + (_target(evidence, attempt + 1) is not None)
        limit_s = (order.timeout_s or self.settings.repair.timeout_s) / 2**halves
        found = await self.acting.perform(
            act, lambda: self._search(bench, target, attempt, limit_s, tell)
        )
        unwanted = await self.changing.unwanted(str(bench.workspace.root))
        survivors = [Candidate(**one) for one in found["survivors"]]
        rivals = [one for one in survivors if digest_of(one.diff) not in unwanted]
        best = await on_a_copy(bench, lambda tree, _: _first_allowed(tree, rivals))
        if best is None:
            return None, found["tried"]
        change = self._change(bench, best, attempt)
        others = [one for one in found["survivors"] if one["diff"] != best.diff]
        proof = evidence | {"target": target.as_json(), "rivals": others}
        proof |= {"reasons": list(best.reasons)}
        await self.changing.propose(change, opportunity_id, proof)
        return change.id, found["tried"]

    async def is_worth_another(self, opportunity_id: str, attempt: int) -> bool:
        """Return whether a further attempt would look for anything else."""
        row = await self.watching.find(opportunity_id)
        return _target(row["evidence"], attempt) is not None

    async def give_up(self, opportunity_id: str, tried: int) -> str:
        """Close an opportunity without a patch, and return why in one sentence."""
        row = await self.watching.find(opportunity_id)
        await self.watching.close(opportunity_id, "not_found")
        if not row["evidence"]["before"]["failures"]:
            return "the tool fails in use, but no test shows it: add a test that does"
        return f"none of {tried} candidates passes all tests"

    async def revert(self, opportunity_id: str) -> tuple[str, str]:
        """Take back the change of an alarm; return its id and the commit that did it."""
        row = await self.watching.find(opportunity_id)
        change_id = str(row["evidence"]["change"])
        at = self.clock().isoformat(timespec="seconds")
        commit = await self.changing.take_back(change_id, at)
        await self.watching.close(opportunity_id, "reverted")
        return change_id, commit

    async def _search(
        self, bench: Bench, before: TestRun, attempt: int, limit_s: float, tell: Tell
    ) -> ActOutcome:
        loop = asyncio.get_running_loop()

        def progress(tried: int, survivors: int) -> None:
            loop.call_soon_threadsafe(lambda: tell("search", tried=tried, survivors=survivors))

        def do(tree: Path, cancel: Event) -> ActOutcome:
            found = search(
                bench.sandbox,
                tree,
                bench.command,
                before,
                timeout_s=limit_s,
                candidates=self.settings.repair.candidates,
                seed=bench.order.seed + attempt,
                workers=WORKERS,
                cancel=cancel,
                progress=progress,
            )
            survivors = [_plain(one) for one in found.survivors]
            return ActOutcome(result={"survivors": survivors, "tried": found.candidates_tried})

        return await on_a_copy(bench, do)

    def _change(self, bench: Bench, best: Candidate, attempt: int) -> Change:
        return Change(
            id=f"{case.get().id}-{attempt}",
            subject=best.path,
            workspace=str(bench.workspace.root),
            base=bench.workspace.head,
            diff=best.diff,
            at=self.clock().isoformat(timespec="seconds"),
            title=f"Repair {best.description}"[:72],
        )

    async def test(self, order: Improvement, change_id: str, times: int) -> Verdict:
        """Return the gate's verdict on a change: its text, then its tests before and after.

        `times` counts the bases that it was tested on before.
        """
        bench, row = await self.open(order), await self.changing.find(change_id)
        diff, before = row["diff"], TestRun.model_validate(row["evidence"]["target"])
        verdict = await on_a_copy(bench, lambda tree, _: gate.judge(tree, diff))
        if verdict.verdict != "refuse":
            act = Act(kind="run_tests", subject=str(bench.workspace.root), ordinal=times)
            result = await self.acting.perform(act, lambda: _prove(bench, diff, before))
            proved = Verdict.model_validate(result["verdict"])
            verdict = proved if proved.verdict == "refuse" else verdict
            await self.changing.add_evidence(change_id, {"tests": result["report"]})
        await self.changing.add_evidence(change_id, {"verdict": verdict.as_json()})
        return verdict

    async def _run_tests(self, bench: Bench) -> TestRun:
        def do(tree: Path, cancel: Event) -> ActOutcome:
            timeout_s = self.settings.sandbox.test_timeout_s
            ran = run_tests(bench.sandbox, tree, bench.command, timeout_s=timeout_s, cancel=cancel)
            return ActOutcome(result=ran.as_json())

        act = Act(kind="run_tests", subject=str(bench.workspace.root))
        return TestRun.model_validate(await self.acting.perform(act, lambda: on_a_copy(bench, do)))


def _first_allowed(tree: Path, rivals: Sequence[Candidate]) -> Candidate | None:
    """Return the best of the rivals whose text the gate does not refuse."""
    allowed = (one for one in rivals if gate.judge(tree, one.diff).verdict != "refuse")
    return next(allowed, None)


async def _prove(bench: Bench, diff: str, before: TestRun) -> ActOutcome:
    def do(tree: Path, cancel: Event) -> ActOutcome:
        verdict, report = gate.prove(
            bench.sandbox, tree, bench.command, diff, before, cancel=cancel
        )
        return ActOutcome(
            result={"verdict": verdict.as_json(), "report": report.as_json() if report else None}
        )

    return await on_a_copy(bench, do)


def _target(evidence: Json, attempt: int) -> TestRun | None:
    before = about(TestRun.model_validate(evidence["before"]), evidence)
    return reports.target(before, attempt, evidence["entries"])


def _known(evidence: Json, head: str) -> TestRun | None:
    if evidence.get("base") != head or "before" not in evidence:
        return None
    return TestRun.model_validate(evidence["before"])


def _plain(candidate: Candidate) -> Json:
    return {name: _listed(getattr(candidate, name)) for name in candidate.__dataclass_fields__}


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
