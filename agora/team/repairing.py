"""Repairing: a workspace's tests are run, its failures understood, patches searched and proved."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import prompts
from agora.domain import commits
from agora.domain.contracts import Change, Improvement, Json, Opportunity, Verdict, digest_of
from agora.domain.loops import TIDIED
from agora.domain.repair import reports, tidying
from agora.domain.repair.patches import parse
from agora.domain.repair.territory import is_test
from agora.domain.repair.tidying import Tidying
from agora.domain.repair.trials import TestRun
from agora.domain.settings import Settings
from agora.team.acting import case
from agora.team.changing import Changing
from agora.team.claiming import Claiming
from agora.team.clocks import Clock
from agora.team.constructing import NO_MODEL, Constructing
from agora.team.convening import hold
from agora.team.gating import Gating
from agora.team.meeting import Meeting
from agora.team.proposing import Proposing
from agora.team.searching import Searching, target_of
from agora.team.solving import Solving, attempts, reasons
from agora.team.speeding import Speeding, none_of
from agora.team.testing import Testing, narrowed
from agora.team.watching import Watching
from agora.team.workbench import Bench, on_a_copy, opened
from memory.database import Row

Tell = Callable[..., None]
EXPERTS_TRY = 3
"""So many attempts are made where experts can be asked again, the last one with a brief."""
TITLE = 72
"""Characters of a change's title, which becomes the first line of its commit."""


@dataclass(frozen=True)
class Repairing:
    """The repairer: works without any model."""

    settings: Settings
    watching: Watching
    changing: Changing
    solving: Solving
    proposing: Proposing
    meeting: Meeting
    constructing: Constructing
    testing: Testing
    claiming: Claiming
    searching: Searching
    gating: Gating
    speeding: Speeding
    clock: Clock

    async def open(self, order: Improvement) -> Bench:
        """Look whether the workspace can be worked on; raise WorkspaceError, in one sentence."""

        return await asyncio.to_thread(opened, self.settings.sandbox, order)

    async def try_sandbox(self) -> None:
        """Run a command that does nothing; raise SandboxMissingError or SandboxFailedError."""
        await self.testing.try_sandbox()

    async def waiting_at(self, workspace: str, proof: str) -> Row | None:
        """Return a change that waits for approval on the commit that the workspace is at.

        `proof` is what speaks for it: "target" for failing tests, "speed" for a slow tool; others
        are no answer. One that waits on an older commit was overtaken: it is given up, its
        opportunity is free.
        """
        for row in await self.changing.waiting():
            if row["workspace"] == workspace:
                if row["base"] == await asyncio.to_thread(commits.head, workspace):
                    if proof in row["evidence"]:
                        return row
                    continue
                await self.changing.give_up(row["id"], "the workspace has moved on")
                await self.watching.reopen(row["opportunity_id"])
        return None

    async def detect(self, order: Improvement) -> Opportunity | None:
        """Return the most pressing opportunity of the workspace, claimed; None if all is well.

        Raises ClaimHeldError where another run has begun with what fails, or with what is slow.
        """
        return await self.claiming.claim(await self.open(order), order)

    async def why_nothing(self, order: Improvement) -> str:
        """Return in one sentence why nothing is to be done."""
        if order.kinds == ("slow_tool",):
            return await self.speeding.why_nothing(str(Path(order.workspace).absolute()))
        return "all is well: nothing to repair"

    async def investigate(self, order: Improvement, opportunity_id: str) -> str:
        """Add to the opportunity what fails and where, and return it as a readable report."""
        bench, row = await self.open(order), await self.watching.find(opportunity_id)
        evidence: Json = row["evidence"]
        if row["kind"] in TIDIED:
            return await self._tidied(bench, row)
        if row["kind"] == "slow_tool":
            return await self.speeding.report(bench, row)
        if "pattern" in evidence:
            return str(evidence["report"])
        if goal := evidence.get("goal"):
            report = await self.constructing.report(bench, goal)
            await self.watching.add_evidence(opportunity_id, {"report": report})
            return report
        evidence |= await self._chosen(bench, evidence)
        bench = narrowed(bench, evidence)
        before = _known(evidence, bench.workspace.head) or await self.testing.run(bench)
        report = reports.report(before, evidence)
        if before.failing:
            report = f"{report}\n{await self.testing.inquired(bench, before)}".rstrip()
        entered = await on_a_copy(bench, lambda tree, _: reports.entries(before, tree))
        found = {"base": bench.workspace.head, "before": before.as_json(), "report": report}
        found |= {"entries": entered}
        found |= {name: evidence[name] for name in ("tests_near",) if name in evidence}
        await self.watching.add_evidence(opportunity_id, found)
        return report

    async def _tidied(self, bench: Bench, row: Row) -> str:
        """Add what becomes of a tool to the opportunity, and return it as a report."""
        evidence = row["evidence"]
        name, path = str(evidence["tool"]), evidence["path"]

        def do(tree: Path, _: Event) -> Tidying:
            function = name.rpartition(".")[2]
            if row["kind"] == "unused_tool":
                why, is_used = str(evidence["because"]), bool(evidence.get("used"))
                return tidying.unused(tree, path, function, why, is_used=is_used)
            kept = str(evidence["same_as"]).rpartition(".")[2]
            return tidying.doubled(tree, path, function, evidence["same_path"], kept)

        found = await on_a_copy(bench, do)
        said = evidence.get("fault") or f"{name}: {evidence['because']}"
        report = f"{said}\n{found.title or found.why}"
        told = {"pattern": found.diff, "title": found.title, "report": report, "files": [path]}
        await self.watching.add_evidence(row["id"], told)
        return report

    async def _chosen(self, bench: Bench, evidence: Json) -> Json:
        """Return which tests reach a tool, where nobody has chosen any yet."""
        is_about_tool = "path" in evidence and _known(evidence, bench.workspace.head) is None
        return await self.testing.near(bench, [evidence["path"]]) if is_about_tool else {}

    async def improve(
        self, order: Improvement, opportunity_id: str, attempt: int, tell: Tell, brief: str = ""
    ) -> tuple[str | None, int]:
        """Search for a patch and propose the best one; return its id, and how many were tried.

        Experts' proposals compete with those of the search; a `brief` is for them.
        """
        bench, row = await self.open(order), await self.watching.find(opportunity_id)
        evidence: Json = row["evidence"]
        if row["kind"] == "slow_tool":
            return await self._speed_up(bench, row, tell) if not attempt else (None, 0)
        if "goal" in evidence:
            return await self._construct(bench, row, attempt, brief), 0
        if "pattern" in evidence:
            return await self._share(bench, row, evidence["pattern"]) if not attempt else None, 0
        bench = narrowed(bench, evidence)
        best, proof, tried = await self.searching.find(bench, evidence, attempt, tell, brief)
        if best is None:
            return None, tried
        title = f"Repair {best.description}"
        change = self._titled(bench, attempt, best.path, best.diff, title)
        await self.changing.propose(change, opportunity_id, proof)
        return change.id, tried

    async def _construct(self, bench: Bench, row: Row, attempt: int, brief: str) -> str | None:
        evidence, told = row["evidence"], attempts(await self.solving.failed(row["id"]))
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

    async def _share(self, bench: Bench, row: Row, diff: str) -> str | None:
        """Propose one change that only moves code; None where there is none that is wanted."""
        unwanted = await self.changing.unwanted(str(bench.workspace.root))
        if not diff or digest_of(diff) in unwanted:
            return None
        paths = [patch.path for patch in parse(diff)]
        name = row["subject"].rpartition(":")[2]
        shared = f"Share {name} between {len(paths) - 1} files"
        change = self._titled(bench, 0, paths[0], diff, row["evidence"].get("title") or shared)
        await self.changing.propose(change, row["id"], row["evidence"])
        return change.id

    async def _speed_up(self, bench: Bench, row: Row, tell: Tell) -> tuple[str | None, int]:
        """Propose the version of a slow tool that has won its race; None where there is none."""
        best, proof, tried = await self.speeding.find(bench, row, tell)
        if best is None:
            return None, tried
        title = f"Speed up {row['evidence']['tool'].rpartition('.')[2]}: {best.what}"
        change = self._titled(bench, 0, row["evidence"]["path"], best.diff, title)
        await self.changing.propose(change, row["id"], proof)
        return change.id, tried

    def _titled(self, bench: Bench, attempt: int, subject: str, diff: str, title: str) -> Change:
        return Change(
            id=f"{case.get().id}-{attempt}",
            subject=subject,
            workspace=str(bench.workspace.root),
            base=bench.workspace.head,
            diff=diff,
            at=self.clock().isoformat(timespec="seconds"),
            title=title if len(title) <= TITLE else f"{title[: TITLE - 1].rstrip()}…",
        )

    async def is_worth_another(self, opportunity_id: str, attempt: int) -> bool:
        """Return whether a further attempt would look for anything else."""
        row = await self.watching.find(opportunity_id)
        if "pattern" in row["evidence"] or row["kind"] == "slow_tool":
            return False
        if "goal" in row["evidence"]:
            return attempt < EXPERTS_TRY and await self.proposing.has_models()
        if target_of(row["evidence"], attempt) is not None:
            return True
        fails = bool(row["evidence"]["before"]["failures"])
        return fails and attempt < EXPERTS_TRY and await self.proposing.has_models()

    async def convene(self, order: Improvement, opportunity_id: str, tell: Tell) -> str:
        """Hold a war room on the report; return its ruling as a brief, "" where there is none."""
        if not await self.proposing.has_models():
            return ""
        bench, row = await self.open(order), await self.watching.find(opportunity_id)
        text = "\n\n".join(attempts(await self.solving.failed(opportunity_id)))
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
        failed = await self.solving.failed(opportunity_id)
        best = f"of {tried} candidates the gate refuses the best: "
        refused = best + failed[0]["why"] if failed else ""
        if row["kind"] == "slow_tool":
            why = str(row["evidence"].get("cannot") or refused or none_of(tried))
            report = "\n".join(dict.fromkeys([*row["evidence"]["report"].splitlines(), why]))
            await self.watching.add_evidence(opportunity_id, {"report": report})
            return why
        if "goal" in row["evidence"]:
            has_models = await self.proposing.has_models()
            return "nobody has built what the gate accepts" if has_models else NO_MODEL
        if "pattern" in row["evidence"]:
            return str(row["evidence"]["report"])
        if not row["evidence"]["before"]["failures"]:
            return "the tool fails in use, but no test shows it: add a test that does"
        return refused or f"none of {tried} candidates passes all tests"

    async def revert(self, opportunity_id: str) -> tuple[str, str]:
        """Take back the change of an alarm; return its id and the commit that did it."""
        row = await self.watching.find(opportunity_id)
        change_id = str(row["evidence"]["change"])
        at = self.clock().isoformat(timespec="seconds")
        commit = await self.changing.take_back(change_id, at)
        await self.watching.close(opportunity_id, "reverted")
        return change_id, commit

    async def test(self, order: Improvement, change_id: str, times: int) -> Verdict:
        """Return the gate's verdict on a change: its text, then its tests before and after.

        `times` counts the bases that it was tested on before.
        """
        bench, row = await self.open(order), await self.changing.find(change_id)
        return await self.gating.test(bench, row, times)


def _known(evidence: Json, head: str) -> TestRun | None:
    if evidence.get("base") != head or "before" not in evidence:
        return None
    return TestRun.model_validate(evidence["before"])
