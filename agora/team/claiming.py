"""Claiming: what could be better in a workspace, one run for each of it."""

from dataclasses import dataclass
from hashlib import sha256

from agora.domain.contracts import Improvement, Json, Opportunity, digest_of
from agora.domain.errors import ClaimHeldError
from agora.domain.repair.patterns import patterns
from agora.team.acting import case
from agora.team.changing import Changing
from agora.team.testing import Testing
from agora.team.watching import Watching
from agora.team.workbench import Bench, on_a_copy


@dataclass(frozen=True)
class Claiming:
    """Opportunities that are found while a run looks, and claimed for it."""

    watching: Watching
    changing: Changing
    testing: Testing

    async def claim(self, bench: Bench, order: Improvement) -> Opportunity | None:
        """Return the most pressing opportunity, claimed; raise ClaimHeldError."""
        root, here = str(bench.workspace.root), case.get()
        if order.goal:
            return await self._claim_goal(bench, order.goal)
        recorded = [kind for kind in order.kinds if kind != "failing_tests"]
        if recorded:
            await self.watching.detect(root, order.preset)
            if found := await self.watching.claim(here.thread_id, recorded, f"{root}:"):
                return found
        if order.kinds == ("slow_tool",):
            await self._mind_others(root)
        if "pattern" in order.kinds:
            return await self._claim_pattern(bench)
        if "failing_tests" not in order.kinds:
            return None
        before, chosen = await self.testing.look(bench)
        if not before.failing:
            return None
        evidence = {"base": bench.workspace.head, "before": before.as_json()} | chosen
        return await self._claim_failing_tests(root, evidence)

    async def _mind_others(self, root: str) -> None:
        """Raise ClaimHeldError where another run has begun with a slow tool."""
        for row in await self.watching.living():
            if row["kind"] == "slow_tool" and row["subject"].startswith(f"{root}:"):
                raise ClaimHeldError(
                    f"another run has begun to make {row['evidence']['tool']} faster",
                    "agora resume goes on with it, unless it waits: agora approvals list",
                )

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
