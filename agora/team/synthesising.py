"""Synthesising: two experts on models of different families do a task, and one answer is made."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import prompts
from agora.domain import labels, validity
from agora.domain.answers import normal_form
from agora.domain.contracts import AgentContext, AgentOutcome, AgentTask, Award, Bid
from agora.domain.errors import RefusedError
from agora.domain.experts import Bidder
from agora.domain.faults import ModelFault
from agora.domain.ways import EFFECTS
from agora.team.acting import case
from agora.team.answering import Answering, Tell
from agora.team.asking import Asking
from agora.team.market import Market

SYNTHESIS = "synthesis"
"""The expert that an answer made of two is by."""
JOIN = 90
"""Ordinal of the question that joins two answers, beyond those of one round."""


@dataclass(frozen=True)
class Synthesising:
    """Two strategies side by side, where a trial has shown that this is better."""

    answering: Answering
    asking: Asking
    market: Market

    async def execute(
        self,
        task: AgentTask,
        context: AgentContext,
        award: Award,
        bids: Sequence[Bid],
        tell: Tell,
    ) -> AgentOutcome:
        """Return what the winner and its best rival make of the task together.

        Where there is no rival, or the winner fails, it is as if there was no synthesis.
        """
        rival = None if EFFECTS & set(task.labels) else await self._rival(award.winner, bids)
        if rival is None:
            return await self.answering.execute(task, context, award, tell)
        quiet = _silent(tell)
        first, second = await asyncio.gather(
            self.answering.execute(task, context, award, quiet),
            self._second(task, context, rival, quiet),
        )
        return await self.join(task, first, second, award.winner, context.ends_at)

    async def beside(self, task: AgentTask, first: AgentOutcome) -> AgentOutcome | None:
        """Return what a synthesis would have made of a task that was answered; None: no rival."""
        sold = await self.market.hold(task, {"mix": self.market.mix(task)}, [], None)
        names = {bid.name: bid for bid in sold.auction.bids}
        winner = names.get(f"{first.expert}@{first.model}")
        rival = await self._rival(winner, sold.auction.bids) if winner else None
        if winner is None or rival is None:
            return None
        here = case.get()
        context = self.answering.context(task, here)
        second = await self._second(task, context, rival, lambda *_, **__: None)
        return await self.join(task, first, second, winner, None)

    async def _rival(self, winner: Bid, bids: Sequence[Bid]) -> Bid | None:
        """Return the best bid of a model of another family than the winner's."""
        if winner.model is None:
            return None
        family = (await self.market.bidder(winner.name)).family
        for bid in bids:
            if bid.model and bid.score is not None:
                if (await self.market.bidder(bid.name)).family != family:
                    return bid
        return None

    async def _second(
        self, task: AgentTask, context: AgentContext, rival: Bid, tell: Tell
    ) -> AgentOutcome:
        # A stage of its own, so that its acts have names of their own.
        case.set(replace(case.get(), stage=f"{case.get().stage}+"))
        return await self.answering.execute(task, context, Award(winner=rival), tell)

    async def join(
        self,
        task: AgentTask,
        first: AgentOutcome,
        second: AgentOutcome,
        winner: Bid,
        ends_at: str | None,
    ) -> AgentOutcome:
        """Return one outcome of two; the first as it is where the second adds nothing."""
        done = first.status == second.status == "answered"
        if not done or normal_form(first.answer) == normal_form(second.answer):
            return first
        read = labels.joined(first.labels, second.labels)
        marked = task.but(labels=labels.joined(task.labels, read))
        by = await self.market.bidder(winner.name)
        text = prompts.load("synthesis").render(
            task=task.text, first=first.answer, second=second.answer
        )
        try:
            reply = await self.asking.ask(
                marked, by, _said(by, text), ordinal=JOIN, ends_at=ends_at
            )
        except (ModelFault, RefusedError):
            return first
        if validity.validate(reply.text, reply.finish, ()):
            return first
        used = reply.tokens_in + reply.tokens_out
        return first.but(
            answer=reply.text.strip(),
            expert=SYNTHESIS,
            labels=read,
            evidence=[*first.evidence, *second.evidence],
            confidence=max(first.confidence, second.confidence),
            cost_usd=first.cost_usd + second.cost_usd + reply.cost_usd,
            tokens=first.tokens + second.tokens + used,
            latency_s=max(first.latency_s, second.latency_s) + reply.latency_s,
        )


def _said(by: Bidder, text: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": by.expert.system}, {"role": "user", "content": text}]


def _silent(tell: Tell) -> Tell:
    """Return a voice without words: those of two experts would run together."""

    def told(kind: str, **what: object) -> None:
        if kind != "token":
            tell(kind, **what)

    return told
