"""Searching: edits and experts' proposals compete for one patch of what fails."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

from agora.domain.contracts import Act, ActOutcome, Json, digest_of
from agora.domain.repair import gate, reports
from agora.domain.repair.proposals import Proposal, understood
from agora.domain.repair.relevance import about
from agora.domain.repair.search import Candidate, search
from agora.domain.repair.shadows import VARIANTS
from agora.domain.repair.solutions import Instinct
from agora.domain.repair.trials import TestRun
from agora.domain.settings import Settings
from agora.team.acting import Acting
from agora.team.changing import Changing
from agora.team.proposing import Offered, Proposing
from agora.team.solving import Solving, reasons
from agora.team.testing import Testing, shadows
from agora.team.watching import Watching
from agora.team.workbench import Bench, on_a_copy

Tell = Callable[..., None]
WORKERS = 2
"""Sandboxes that a search uses at a time."""
WIDER, KEPT = 10, 20
"""Ordinals of acts that run more tests begin here: without any patch, and with each rival."""


@dataclass(frozen=True)
class Searching:
    """The search, without any model, and what experts add to it."""

    settings: Settings
    acting: Acting
    watching: Watching
    changing: Changing
    solving: Solving
    proposing: Proposing
    testing: Testing

    async def find(
        self, bench: Bench, evidence: Json, attempt: int, tell: Tell, brief: str
    ) -> tuple[Candidate | None, Json, int]:
        """Return the best patch, what speaks for it, and how many candidates were tried."""
        target = target_of(evidence, attempt)
        offers = await self._offers(bench, evidence, brief)
        if target is None and not offers:
            return None, {}, 0
        # Where the search has looked everywhere, experts alone try again on all that fails.
        most = self.settings.repair.candidates if target else _count(offers)
        wanted = target or target_of(evidence, 0)
        if wanted is None:
            return None, {}, 0
        act = Act(kind="run_tests", subject=f"search {bench.workspace.root}", actor="repairer")
        # What is tried after this attempt shares the time that is left: all of it is the limit.
        halves = (attempt + (target_of(evidence, attempt + 1) is not None)) if target else 0
        limit_s = (bench.order.timeout_s or self.settings.repair.timeout_s) / 2**halves
        refused = await self.solving.refused(str(bench.workspace.root))
        plan = _Plan(
            wanted,
            bench.order.seed + attempt,
            limit_s,
            most,
            await self.solving.instinct(str(bench.workspace.root)),
            offers,
            [one["diff"] for one in refused],
        )
        found = await self.acting.perform(act, lambda: self._search(bench, plan, tell))
        await self._judge_offers(offers, found)
        unwanted = await self.changing.unwanted(str(bench.workspace.root))
        survivors = [Candidate(**one) for one in found["survivors"]]
        rivals = [one for one in survivors if digest_of(one.diff) not in unwanted]
        rivals = await self._compared(bench, wanted, rivals)
        rivals = await on_a_copy(bench, lambda tree, _: _allowed(tree, rivals))
        rivals, evidence, before = await self._kept(bench, evidence, wanted, rivals, tell)
        if not rivals:
            return None, {}, found["tried"]
        best, *others = rivals
        told = [_plain(_told_apart(one, best)) for one in others]
        proof = evidence | {"target": before.as_json(), "rivals": told}
        proof |= {"reasons": list(best.reasons), "by": best.by}
        proof |= {"solution": _solution(best, wanted, found)}
        return best, proof, found["tried"]

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
            found = shadows(bench, tree, before, diffs, replays, cancel)
            return ActOutcome(result={"broken": [len(one.broken) for one in found]})

        act = Act(kind="run_tests", subject=f"compare {bench.workspace.root}", ordinal=1)
        said = await self.acting.perform(act, lambda: on_a_copy(bench, do))
        broken = [*said["broken"], *[0] * len(rivals)][: len(rivals)]
        order = sorted(range(len(rivals)), key=lambda i: (i >= VARIANTS, broken[i], i))
        return [rivals[i] for i in order]

    async def _kept(
        self, bench: Bench, evidence: Json, before: TestRun, rivals: list[Candidate], tell: Tell
    ) -> tuple[list[Candidate], Json, TestRun]:
        """Return the rivals from the first on that keeps the tests next to it, and those tests.

        The search itself has run few tests of many: what it takes for a repair may break others.
        """
        if "tests_near" not in evidence:
            return rivals, evidence, before
        chosen, wider = evidence["tests_near"], dict[str, tuple[Json, TestRun]]()
        for place, one in enumerate(rivals):
            tell("rival", place=place + 1, of=len(rivals))
            if one.path not in wider:
                wider[one.path] = await self.testing.widened(
                    bench, chosen, one.path, before, WIDER + place
                )
            near, known = wider[one.path]
            more = near["files"][len(chosen["files"]) :]
            fresh = {k: v for k, v in known.outcomes.items() if k not in before.outcomes}
            beside = known.but(outcomes=fresh)
            if not more or await self.testing.keeps(bench.on(more), beside, one.diff, KEPT + place):
                return rivals[place:], evidence | {"tests_near": near}, known
        return [], evidence, before

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


def _allowed(tree: Path, rivals: Sequence[Candidate]) -> list[Candidate]:
    """Return the rivals whose text the gate does not refuse."""
    return [one for one in rivals if gate.judge(tree, one.diff).verdict != "refuse"]


def _told_apart(rival: Candidate, best: Candidate) -> Candidate:
    """Return a rival with a call that tells it from the best: each knows one from the first."""
    if not best.apart:
        return rival
    is_known = rival.apart.get("call") == best.apart["call"]
    is_apart = is_known and rival.apart["this"] != best.apart["this"]
    return replace(rival, apart=rival.apart | {"first": best.apart["this"]} if is_apart else {})


def target_of(evidence: Json, attempt: int) -> TestRun | None:
    """Return which failing tests an attempt is to mend; None: there are no more."""
    before = about(TestRun.model_validate(evidence["before"]), evidence)
    return reports.target(before, attempt, evidence["entries"])


def _plain(candidate: Candidate) -> Json:
    return {name: _listed(getattr(candidate, name)) for name in candidate.__dataclass_fields__}


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
