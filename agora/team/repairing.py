"""Repairing: a workspace's tests are run, its failures understood, patches searched and proved."""

import asyncio
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any

import prompts
from agora.domain import commits
from agora.domain.contracts import (
    Act,
    ActOutcome,
    Change,
    Improvement,
    Json,
    Opportunity,
    Replay,
    Verdict,
    digest_of,
)
from agora.domain.errors import ClaimHeldError, SandboxFailedError
from agora.domain.repair import gate, reports
from agora.domain.repair.inquiry import inquire
from agora.domain.repair.patches import parse
from agora.domain.repair.patterns import patterns
from agora.domain.repair.proposals import Proposal, understood
from agora.domain.repair.relevance import about
from agora.domain.repair.sandbox import choose_sandbox
from agora.domain.repair.search import Candidate, search
from agora.domain.repair.shadows import VARIANTS, Shadow, compare
from agora.domain.repair.solutions import Instinct
from agora.domain.repair.territory import is_test
from agora.domain.repair.trials import TestRun, run_tests
from agora.domain.settings import Settings
from agora.team.acting import Acting, case, standing_alone
from agora.team.changing import Changing
from agora.team.clocks import Clock
from agora.team.constructing import NO_MODEL, Constructing
from agora.team.convening import hold
from agora.team.meeting import Meeting
from agora.team.proposing import Offered, Proposing
from agora.team.solving import Solving, reasons
from agora.team.watching import Watching
from agora.team.workbench import Bench, on_a_copy, opened
from memory.database import Row

Tell = Callable[..., None]
EXPERTS_TRY = 3
"""So many attempts are made where experts can be asked again, the last one with a brief."""
SHADOW_S = 30.0
"""Seconds for what runs beside the old version."""
WORKERS = 2
"""Sandboxes that a search uses at a time."""


@dataclass(frozen=True)
class Repairing:
    """The repairer: works without any model."""

    settings: Settings
    acting: Acting
    watching: Watching
    changing: Changing
    solving: Solving
    proposing: Proposing
    meeting: Meeting
    constructing: Constructing
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
        if order.goal:
            return await self._claim_goal(bench, order.goal)
        recorded = [kind for kind in order.kinds if kind != "failing_tests"]
        if recorded:
            await self.watching.detect(root, order.preset)
            if found := await self.watching.claim(here.thread_id, recorded, f"{root}:"):
                return found
        if "pattern" in order.kinds:
            return await self._claim_pattern(bench)
        if "failing_tests" not in order.kinds:
            return None
        before = await self._run_tests(bench)
        if not before.failing:
            return None
        evidence = {"base": bench.workspace.head, "before": before.as_json()}
        return await self._claim_failing_tests(root, evidence)

    async def _claim_pattern(self, bench: Bench) -> Opportunity | None:
        """Return the first pattern over several tools that nobody has refused to share, claimed."""
        root, thread_id = str(bench.workspace.root), case.get().thread_id
        unwanted = await self.changing.unwanted(root)
        for one in await on_a_copy(bench, lambda tree, _: list(patterns(tree))):
            if digest_of(one.diff) not in unwanted:
                evidence = {"pattern": one.diff, "report": one.report, "files": list(one.paths)}
                found = Opportunity(
                    id="", kind="pattern", subject=f"{root}:{one.name}", evidence=evidence
                )
                await self.watching.open_one(found)
                if claimed := await self.watching.claim(thread_id, ["pattern"], found.subject):
                    return claimed
        return None

    async def _claim_goal(self, bench: Bench, goal: str) -> Opportunity:
        subject = f"{bench.workspace.root}:{sha256(goal.encode()).hexdigest()[:12]}"
        thread_id, evidence = case.get().thread_id, {"goal": goal}
        found = await self.watching.claim(thread_id, ["goal"], subject)
        if found is None and not await self.watching.is_known("goal", subject):
            opened = Opportunity(id="", kind="goal", subject=subject, evidence=evidence)
            await self.watching.open_one(opened)
            found = await self.watching.claim(thread_id, ["goal"], subject)
        if found is None:
            raise ClaimHeldError("another run has begun to work towards this goal", "agora resume")
        return found

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
        if "pattern" in evidence:
            return str(evidence["report"])
        if goal := evidence.get("goal"):
            report = await self.constructing.report(bench, goal)
            await self.watching.add_evidence(opportunity_id, {"report": report})
            return report
        before = _known(evidence, bench.workspace.head) or await self._run_tests(bench)
        report = reports.report(before, evidence)
        if before.failing:
            report = f"{report}\n{await self._inquired(bench, before)}".rstrip()
        entered = await on_a_copy(bench, lambda tree, _: reports.entries(before, tree))
        found = {"base": bench.workspace.head, "before": before.as_json(), "report": report}
        found |= {"entries": entered}
        await self.watching.add_evidence(opportunity_id, found)
        return report

    async def _inquired(self, bench: Bench, before: TestRun) -> str:
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

    async def improve(
        self, order: Improvement, opportunity_id: str, attempt: int, tell: Tell, brief: str = ""
    ) -> tuple[str | None, int]:
        """Search for a patch and propose the best one; return its id, and how many were tried.

        Experts' proposals compete with those of the search; a `brief` is for them.
        """
        bench, row = await self.open(order), await self.watching.find(opportunity_id)
        evidence: Json = row["evidence"]
        if "goal" in evidence:
            return await self._construct(bench, row, attempt, brief), 0
        if diff := evidence.get("pattern"):
            return await self._share(bench, row, diff) if not attempt else None, 0
        target = _target(evidence, attempt)
        offers = await self._offers(bench, evidence, brief)
        if target is None and not offers:
            return None, 0
        # Where the search has looked everywhere, experts alone try again on all that fails.
        most = self.settings.repair.candidates if target else _count(offers)
        wanted = target or _target(evidence, 0)
        if wanted is None:
            return None, 0
        act = Act(kind="run_tests", subject=f"search {bench.workspace.root}", actor="repairer")
        # What is tried after this attempt shares the time that is left: all of it is the limit.
        halves = (attempt + (_target(evidence, attempt + 1) is not None)) if target else 0
        limit_s = (order.timeout_s or self.settings.repair.timeout_s) / 2**halves
        refused = await self.solving.refused(str(bench.workspace.root))
        plan = _Plan(
            wanted,
            order.seed + attempt,
            limit_s,
            most,
            await self.solving.instinct(),
            offers,
            [one["diff"] for one in refused],
        )
        found = await self.acting.perform(act, lambda: self._search(bench, plan, tell))
        await self._judge_offers(offers, found)
        unwanted = await self.changing.unwanted(str(bench.workspace.root))
        survivors = [Candidate(**one) for one in found["survivors"]]
        rivals = [one for one in survivors if digest_of(one.diff) not in unwanted]
        rivals = await self._compared(bench, wanted, rivals)
        best = await on_a_copy(bench, lambda tree, _: _first_allowed(tree, rivals))
        if best is None:
            return None, found["tried"]
        change = self._change(bench, best, attempt)
        others = [one for one in found["survivors"] if one["diff"] != best.diff]
        proof = evidence | {"target": wanted.as_json(), "rivals": others}
        proof |= {"reasons": list(best.reasons), "by": best.by}
        proof |= {"solution": _solution(best, wanted, found)}
        await self.changing.propose(change, opportunity_id, proof)
        return change.id, found["tried"]

    async def _construct(self, bench: Bench, row: Row, attempt: int, brief: str) -> str | None:
        evidence, told = row["evidence"], await self.solving.failed(row["id"])
        refused = reasons(await self.solving.refused(str(bench.workspace.root)))
        brief = "\n\n".join(filter(None, [brief, *told, *refused]))
        diff, why = await self.constructing.build(bench, evidence["goal"], brief)
        if not diff or digest_of(diff) in await self.changing.unwanted(str(bench.workspace.root)):
            return None
        paths = [patch.path for patch in parse(diff)]
        subject = next((path for path in paths if not is_test(path)), paths[0])
        title = f"Build: {' '.join(evidence['goal'].split())}"
        change = self._titled(bench, attempt, subject, diff, title)
        proof = evidence | {"reasons": [why], "files": paths}
        await self.changing.propose(change, row["id"], proof)
        return change.id

    async def _compared(
        self, bench: Bench, before: TestRun, rivals: list[Candidate]
    ) -> list[Candidate]:
        """Return the rivals after an A/B of the first few on recorded calls: who keeps most."""
        paths = {one.path for one in rivals[:VARIANTS]}
        replays = await self.watching.replays(str(bench.workspace.root), *sorted(paths))
        if len(rivals) < 2 or not replays:
            return rivals

        def do(tree: Path, cancel: Event) -> ActOutcome:
            diffs = [one.diff for one in rivals[:VARIANTS]]
            found = _shadows(bench, tree, before, diffs, replays, cancel)
            return ActOutcome(result={"broken": [len(one.broken) for one in found]})

        act = Act(kind="run_tests", subject=f"compare {bench.workspace.root}", ordinal=1)
        said = await self.acting.perform(act, lambda: on_a_copy(bench, do))
        broken = [*said["broken"], *[0] * len(rivals)][: len(rivals)]
        order = sorted(range(len(rivals)), key=lambda i: (i >= VARIANTS, broken[i], i))
        return [rivals[i] for i in order]

    async def _offers(self, bench: Bench, evidence: Json, brief: str) -> list[Offered]:
        """Return what experts propose for the report; nothing where there is no model."""
        if not await self.proposing.has_models():
            return []
        before = TestRun.model_validate(evidence["before"])
        text = await on_a_copy(bench, lambda tree, _: reports.sources(before, tree))
        refused = await self.solving.refused(str(bench.workspace.root))
        told = "\n\n".join(filter(None, [brief, *reasons(refused)]))
        return await self.proposing.offered(bench.order, evidence["report"], text, told)

    async def _judge_offers(self, offers: Sequence[Offered], found: Json) -> None:
        passed = {one["by"] for one in found["survivors"]}
        for one in offers:
            await self.proposing.judge(one.bid, one.reply, one.bid.name in passed)

    async def is_worth_another(self, opportunity_id: str, attempt: int) -> bool:
        """Return whether a further attempt would look for anything else."""
        row = await self.watching.find(opportunity_id)
        if "pattern" in row["evidence"]:
            return False
        if "goal" in row["evidence"]:
            return attempt < EXPERTS_TRY and await self.proposing.has_models()
        if _target(row["evidence"], attempt) is not None:
            return True
        fails = bool(row["evidence"]["before"]["failures"])
        return fails and attempt < EXPERTS_TRY and await self.proposing.has_models()

    async def convene(self, order: Improvement, opportunity_id: str, tell: Tell) -> str:
        """Hold a war room on the report; return its ruling as a brief, "" where there is none."""
        if not await self.proposing.has_models():
            return ""
        bench, row = await self.open(order), await self.watching.find(opportunity_id)
        text = "\n\n".join(await self.solving.failed(opportunity_id))
        if "before" in row["evidence"]:
            before = TestRun.model_validate(row["evidence"]["before"])
            text = await on_a_copy(bench, lambda tree, _: reports.sources(before, tree))
        asked = prompts.load("cause").render(report=row["evidence"]["report"], sources=text)
        task = self.proposing.task(order, asked)
        ruling = await hold(self.meeting, task.but(id=f"{task.id}.room"), tell)
        await self.watching.add_evidence(opportunity_id, {"ruling": ruling.as_json()})
        return ruling.answer

    async def give_up(self, opportunity_id: str, tried: int) -> str:
        """Close an opportunity without a patch, and return why in one sentence."""
        row = await self.watching.find(opportunity_id)
        await self.watching.close(opportunity_id, "not_found")
        await self.solving.review()
        if "goal" in row["evidence"]:
            has_models = await self.proposing.has_models()
            return "nobody has built what the gate accepts" if has_models else NO_MODEL
        if "pattern" in row["evidence"]:
            return "the gate refuses to share it"
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

    async def _search(self, bench: Bench, plan: "_Plan", tell: Tell) -> ActOutcome:
        loop = asyncio.get_running_loop()

        def progress(tried: int, survivors: int) -> None:
            loop.call_soon_threadsafe(lambda: tell("search", tried=tried, survivors=survivors))

        def do(tree: Path, cancel: Event) -> ActOutcome:
            found = search(
                bench.sandbox,
                tree,
                bench.command,
                plan.target,
                timeout_s=plan.limit_s,
                candidates=plan.candidates,
                seed=plan.seed,
                workers=WORKERS,
                cancel=cancel,
                progress=progress,
                instinct=plan.instinct,
                proposals=list(_understood(tree, plan.offers)),
                rejected=plan.rejected,
            )
            told: Json = {"survivors": [_plain(one) for one in found.survivors]}
            told |= {"tried": found.candidates_tried, "lesson": found.lesson}
            return ActOutcome(result=told | {"until_first": found.until_first})

        return await on_a_copy(bench, do)

    async def _share(self, bench: Bench, row: Row, diff: str) -> str:
        """Propose one change of all tools that repeat a function."""
        paths = [patch.path for patch in parse(diff)]
        name = row["subject"].rpartition(":")[2]
        change = self._titled(
            bench, 0, paths[0], diff, f"Share {name} between {len(paths) - 1} files"
        )
        await self.changing.propose(change, row["id"], row["evidence"])
        return change.id

    def _change(self, bench: Bench, best: Candidate, attempt: int) -> Change:
        title = f"Repair {best.description}"
        return self._titled(bench, attempt, best.path, best.diff, title)

    def _titled(self, bench: Bench, attempt: int, subject: str, diff: str, title: str) -> Change:
        return Change(
            id=f"{case.get().id}-{attempt}",
            subject=subject,
            workspace=str(bench.workspace.root),
            base=bench.workspace.head,
            diff=diff,
            at=self.clock().isoformat(timespec="seconds"),
            title=title[:72],
        )

    async def test(self, order: Improvement, change_id: str, times: int) -> Verdict:
        """Return the gate's verdict on a change: its text, then its tests before and after.

        `times` counts the bases that it was tested on before.
        """
        bench, row = await self.open(order), await self.changing.find(change_id)
        if "goal" in row["evidence"]:
            verdict, found = await self.constructing.test(bench, row["diff"], times)
            await self.changing.add_evidence(change_id, found | {"verdict": verdict.as_json()})
            return verdict
        if "pattern" in row["evidence"]:
            verdict, found = await self._test_shared(bench, row["diff"], times)
            await self.changing.add_evidence(change_id, found | {"verdict": verdict.as_json()})
            return verdict
        diff, before = row["diff"], TestRun.model_validate(row["evidence"]["target"])
        verdict = await on_a_copy(bench, lambda tree, _: gate.judge(tree, diff))
        if verdict.verdict != "refuse":
            act = Act(kind="run_tests", subject=str(bench.workspace.root), ordinal=times)
            replays = await self.watching.replays(str(bench.workspace.root), row["subject"])
            result = await self.acting.perform(act, lambda: _prove(bench, diff, before, replays))
            proved = Verdict.model_validate(result["verdict"])
            verdict = proved if proved.verdict == "refuse" else verdict
            found = {"tests": result["report"], "trial": result["trial"]}
            await self.changing.add_evidence(change_id, found)
        await self.changing.add_evidence(change_id, {"verdict": verdict.as_json()})
        return verdict

    async def _test_shared(self, bench: Bench, diff: str, times: int) -> tuple[Verdict, Json]:
        """Return the verdict on what only moves code: all tests stay as they are."""
        verdict = await on_a_copy(bench, lambda tree, _: gate.judge(tree, diff))
        if verdict.verdict == "refuse":
            return verdict, {}

        def do(tree: Path, cancel: Event) -> ActOutcome:
            timeout_s = self.settings.sandbox.test_timeout_s
            before = run_tests(
                bench.sandbox, tree, bench.command, timeout_s=timeout_s, cancel=cancel
            )
            proved, report = gate.prove(
                bench.sandbox, tree, bench.command, diff, before, cancel=cancel, repairs=False
            )
            proof = report.as_json() if report else None
            return ActOutcome(result={"verdict": proved.as_json(), "tests": proof})

        act = Act(kind="run_tests", subject=str(bench.workspace.root), ordinal=times)
        said = await self.acting.perform(act, lambda: on_a_copy(bench, do))
        proved = Verdict.model_validate(said["verdict"])
        return (proved if proved.verdict == "refuse" else verdict), {"tests": said["tests"]}

    async def _run_tests(self, bench: Bench) -> TestRun:
        def do(tree: Path, cancel: Event) -> ActOutcome:
            timeout_s = self.settings.sandbox.test_timeout_s
            ran = run_tests(bench.sandbox, tree, bench.command, timeout_s=timeout_s, cancel=cancel)
            return ActOutcome(result=ran.as_json())

        act = Act(kind="run_tests", subject=str(bench.workspace.root))
        return TestRun.model_validate(await self.acting.perform(act, lambda: on_a_copy(bench, do)))


@dataclass(frozen=True)
class _Plan:
    """What one search is given."""

    target: TestRun
    seed: int
    limit_s: float
    candidates: int
    instinct: Instinct
    offers: Sequence[Offered]
    rejected: Sequence[str]


def _count(offers: Sequence[Offered]) -> int:
    return sum(len(one.rewrites) for one in offers)


def _understood(tree: Path, offers: Sequence[Offered]) -> Iterator[Proposal]:
    for one in offers:
        for rewrite in one.rewrites:
            if found := understood(tree, one.bid.name, rewrite):
                yield found


def _solution(best: Candidate, target: TestRun, found: Json) -> Json:
    """Return a fix as the library keeps it, should it be accepted."""
    raised = [target.failures[name].exception for name in target.failing if name in target.failures]
    return {
        "operator": best.operator,
        "context": best.context,
        "exception": raised[0] if raised else "",
        "candidates": found["tried"],
        "until_first": found["until_first"],
        "lesson": found["lesson"],
    }


def _first_allowed(tree: Path, rivals: Sequence[Candidate]) -> Candidate | None:
    """Return the best of the rivals whose text the gate does not refuse."""
    allowed = (one for one in rivals if gate.judge(tree, one.diff).verdict != "refuse")
    return next(allowed, None)


async def _prove(bench: Bench, diff: str, before: TestRun, replays: Sequence[Replay]) -> ActOutcome:
    def do(tree: Path, cancel: Event) -> ActOutcome:
        verdict, report = gate.prove(
            bench.sandbox, tree, bench.command, diff, before, cancel=cancel
        )
        told: Json = {}
        if verdict.verdict != "refuse":
            verdict, told = _beside(bench, tree, diff, before, replays, cancel)
        proof = report.as_json() if report else None
        return ActOutcome(result={"verdict": verdict.as_json(), "report": proof, "trial": told})

    return await on_a_copy(bench, do)


def _beside(
    bench: Bench, tree: Path, diff: str, before: TestRun, replays: Sequence[Replay], cancel: Event
) -> tuple[Verdict, Json]:
    """Run the old version once more, and the patch beside it: on the tests, and on calls."""
    again = run_tests(bench.sandbox, tree, bench.command, timeout_s=SHADOW_S, cancel=cancel)
    if lucky := sorted(set(before.failing) & set(again.passing)):
        why = f"{lucky[0]} passes without the patch, too, when it is run again"
        return Verdict(verdict="refuse", rule="flaky", reason=why), {}
    found = _shadows(bench, tree, before, [diff], replays, cancel)
    if not found:
        return Verdict(verdict="accept"), {}
    told = found[0].as_json() | {"told": found[0].told}
    if broken := found[0].broken:
        why = "a recorded good call gives {after} now, not {before}: {call}".format(**broken[0])
        return Verdict(verdict="refuse", rule="replay", reason=why), told
    return Verdict(verdict="accept"), told


def _shadows(
    bench: Bench,
    tree: Path,
    before: TestRun,
    diffs: Sequence[str],
    replays: Sequence[Replay],
    cancel: Event,
) -> list[Shadow]:
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
