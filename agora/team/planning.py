"""Planning: a task done whole, or in subtasks side by side whose results are joined."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

import prompts
from agora.domain import labels, plans
from agora.domain.contracts import AgentContext, AgentOutcome, AgentTask, Award, Json
from agora.domain.errors import RefusedError
from agora.domain.faults import ModelFault
from agora.domain.plans import Decomposition, Step
from agora.domain.settings import PlanSettings
from agora.domain.ways import kind_of, may_have_parts
from agora.team.acting import case, standing_alone
from agora.team.answering import Answering, Tell
from agora.team.asking import Asking
from agora.team.learning import Learning
from agora.team.market import Market
from agora.team.pacing import RAN, Pacing
from agora.team.proven import Proven
from memory import events
from memory.database import Database

TRIES = 2
"""So many experts try a subtask before its plan is changed."""


@dataclass(frozen=True)
class Planning:
    """Plans, and the subtasks they are made of."""

    settings: PlanSettings
    database: Database
    answering: Answering
    asking: Asking
    market: Market
    learning: Learning
    proven: Proven
    pacing: Pacing

    async def plan(self, task: AgentTask, ends_at: str | None, *, may_split: bool = True) -> Json:
        """Return the task's domains and tools, and whether it is done whole or in which parts."""
        plan = await self.answering.plan(task)
        if not may_split:
            return plan | {"is_whole": True, "reason": "planning rests", "subtasks": []}
        items = plans.listed(task.text)[: self.settings.subtasks + 1]
        kind = kind_of(plan["mix"])
        proof = await self.proven.of("plan", kind) if may_have_parts(task.text) else None
        choice = plans.choose(task.split, task.labels, items, self._domains(task, items), proof)
        plan["synthesis"] = await self.proven.has_paid("synthesis", kind)
        subtasks: list[Json] = []
        if choice.is_split:
            subtasks = await self._subtasks(task, items, ends_at)
            if not subtasks:
                choice = plans.Choice(False, f"{choice.reason}, but no plan was found for it")
        told = {"is_whole": not choice.is_split, "reason": choice.reason, "subtasks": subtasks}
        if choice.is_split or task.split is not None:
            await self._tell(task.id, "plan.made", told)
        return plan | told

    def _domains(self, task: AgentTask, items: Sequence[str]) -> list[str]:
        """Return the domains that items clearly speak of; a declared domain is that of them all."""
        if task.domain:
            return []
        mixes = (self.market.mix(task.but(text=item.splitlines()[-1])) for item in items)
        return [best for mix in mixes if (best := max(mix, key=mix.__getitem__)) != "general"]

    async def _subtasks(
        self, task: AgentTask, items: Sequence[str], ends_at: str | None
    ) -> list[Json]:
        if items:
            return plans.numbered([Step(text=item) for item in items], self.settings.subtasks)
        return await self._decomposed(task, "", ends_at, 0)

    async def _decomposed(
        self, task: AgentTask, trouble: str, ends_at: str | None, ordinal: int, above: str = ""
    ) -> list[Json]:
        """Return the subtasks that the best bidder for the task thinks of; none where it cannot."""
        sold = await self.market.hold(task, {"mix": self.market.mix(task)}, [], ends_at)
        winner = sold.auction.award.winner if sold.auction.award else None
        if winner is None or winner.model is None:
            return []
        bidder = await self.market.bidder(winner.name)
        most = self.settings.subtasks
        text = prompts.load("plan").render(task=task.text, trouble=trouble, most=str(most))
        messages = [
            {"role": "system", "content": bidder.expert.system},
            {"role": "user", "content": text},
        ]
        try:
            reply = await self.asking.ask(
                task,
                bidder,
                messages,
                ordinal=ordinal,
                ends_at=self._until(ends_at),
                schema=Decomposition,
            )
            steps = Decomposition.model_validate_json(reply.text).subtasks
        except (ModelFault, RefusedError, ValidationError):
            return []
        return plans.numbered(steps, most, above)

    def _until(self, ends_at: str | None) -> str:
        until = self.market.clock() + timedelta(seconds=self.settings.subtask_s)
        return (min(until, datetime.fromisoformat(ends_at)) if ends_at else until).isoformat()

    def part_of(
        self, task: AgentTask, subtask: Json, subtasks: Sequence[Json], parts: Mapping[str, Json]
    ) -> Json:
        """Return what a subtask's stage is given: a task of its own, and the results it needs."""
        before = [parts[n]["outcome"] for n in subtask["after"] if n in parts]
        known = [f"Known already: {one['answer']}" for one in before if one["status"] == "answered"]
        carried = {label for one in before for label in one["labels"]}
        own = task.but(
            labels=labels.joined(task.labels, carried),
            id=f"{task.id}.{subtask['id']}",
            text=subtask["text"],
            urgency="normal",
            deadline_s=None,
            split=False,
        )
        return {"task": own.as_json(), "known": known, "number": subtask["id"]}

    async def do(
        self, task: AgentTask, context: AgentContext, known: Sequence[str], tell: Tell
    ) -> AgentOutcome:
        """Return how one subtask turned out; what has ended once is not begun again."""
        here = case.get()
        if outcome := await self.answering.accept(task, here):
            return outcome
        async with self.pacing.lane(here.correlation_id):
            tell("subtask", id=task.id, text=task.text.splitlines()[-1])
            tell = _apart(tell, task.id)
            tries = 1 if "side_effects" in task.labels else TRIES
            bounds = {"ends_at": self._until(context.ends_at), "memories": tuple(known)}
            plan: Json = {"mix": self.market.mix(task)}
            tried, award, outcome = await self._tried(
                task, context.but(**bounds), plan, tries, tell
            )
        state = {"plan": plan, "tried": tried, "award": award}
        return await self.learning.close(task, outcome, state)

    async def _tried(
        self, task: AgentTask, context: AgentContext, plan: Json, tries: int, tell: Tell
    ) -> tuple[list[Json], Json | None, AgentOutcome]:
        here, tried = case.get(), list[Json]()
        while True:
            # Each try is a round of its own, so that its acts have names of their own.
            case.set(replace(here, round=len(tried)))
            sold = await self.market.hold(task, plan, tried, context.ends_at)
            award: Award | None = sold.auction.award
            if award is None:
                last = AgentOutcome.model_validate(tried[-1]["outcome"]) if tried else None
                return tried, None, last or sold.nobody().but(status="failed")
            outcome = await self.answering.execute(task, context, award, tell)
            if outcome.status == "answered":
                return tried, award.as_json(), outcome
            tried.append({"award": award.as_json(), "outcome": outcome.as_json()})
            if len(tried) >= tries or self._is_late(context):
                return tried, None, outcome

    def _is_late(self, context: AgentContext) -> bool:
        ends_at = context.ends_at
        return bool(ends_at) and self.market.clock() >= datetime.fromisoformat(str(ends_at))

    async def go_on(
        self, task: AgentTask, plan: Json, parts: Mapping[str, Json], ends_at: str | None
    ) -> tuple[Json, list[Json]]:
        """Return the plan, changed where a subtask has failed, and what can be done next."""
        subtasks = plan["subtasks"]
        for one in plans.failed(subtasks, parts):
            rest = await self._replanned(task, one, parts[one["id"]]["outcome"], ends_at)
            subtasks = plans.replaced(subtasks, one, rest)
            told = {"failed": one["id"], "instead": rest}
            await self._tell(task.id, "plan.changed", told)
        changed = plan | {"subtasks": subtasks}
        return changed, plans.ready(subtasks, parts)

    async def _replanned(
        self, task: AgentTask, old: Json, outcome: Json, ends_at: str | None
    ) -> list[Json]:
        """Return other subtasks in the place of a failed one; none where nothing may be repeated.

        A server's fault is no fault of the plan: what cannot be reached cannot be split either.
        """
        if "side_effects" in task.labels or outcome["fault"]:
            return []
        trouble = f"It was tried whole, and failed: {outcome['error']}"
        part = task.but(text=old["text"], split=False)
        return await self._decomposed(part, trouble, ends_at, int(old["id"]), old["id"])

    async def join(self, task: AgentTask, plan: Json, parts: Mapping[str, Json]) -> AgentOutcome:
        """Return all results with their sources as one outcome; partial failure is told in it."""
        if ran := self.pacing.end(task.id):
            told = {"width": ran.width, "rate": ran.rate, "best": ran.best}
            await self._tell(task.id, RAN, told)
        shown = [one for one in plan["subtasks"] if not one.get("by")]
        outcomes = [AgentOutcome.model_validate(parts[one["id"]]["outcome"]) for one in shown]
        done = [one for one in outcomes if one.status == "answered"]
        lost = f"{len(outcomes) - len(done)} of {len(outcomes)} subtasks have failed"
        return AgentOutcome(
            status="answered" if done else "failed",
            answer=plans.told(plan["subtasks"], parts) if done else "",
            error=None if len(done) == len(outcomes) else lost,
            evidence=tuple(source for one in done for source in one.evidence),
            confidence=sum(one.confidence for one in done) / len(outcomes),
            expert="plan",
            latency_s=max((one.latency_s for one in outcomes), default=0.0),
            tokens_out=sum(one.tokens_out for one in done),
            labels=labels.joined((), (label for one in outcomes for label in one.labels)),
        )

    async def beside(self, task: AgentTask) -> AgentOutcome | None:
        """Return what splitting makes of a task that was done whole before; None: no plan."""
        apart = task.but(id=f"{task.id}.plan")
        subtasks = await self._subtasks(apart, plans.listed(task.text), None)
        parts: dict[str, Json] = {}
        while next_ := plans.ready(subtasks, parts):
            given = [self.part_of(apart, one, subtasks, parts) for one in next_]
            done = await asyncio.gather(*map(self._rehearsed, given))
            parts |= {one["number"]: outcome for one, outcome in zip(given, done, strict=True)}
        return await self.join(apart, {"subtasks": subtasks}, parts) if parts else None

    async def _rehearsed(self, given: Json) -> Json:
        part = AgentTask.model_validate(given["task"])
        with standing_alone(part.id, "subtask"):
            context = self.answering.context(part, case.get())
            outcome = await self.do(part, context, given["known"], lambda *_, **__: None)
        return {"id": part.id, "outcome": outcome.as_json()}

    async def _tell(self, case_id: str, kind: str, body: Any) -> None:
        async with self.database.transaction() as connection:
            await events.publish(connection, case_id, kind, body)


def _apart(tell: Tell, task_id: str) -> Tell:
    """Return a voice that says which subtask it speaks of; words of several would run together."""

    def told(kind: str, **what: Any) -> None:
        if kind != "token":
            tell(kind, subtask=task_id, **what)

    return told
