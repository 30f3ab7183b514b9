"""Meeting: the war room. Who sits, what each member says unseen by the others, what is ruled."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field, ValidationError

import prompts
from agora.domain import council, standings
from agora.domain.auction import Offer
from agora.domain.contracts import (
    AgentOutcome,
    AgentTask,
    Json,
    Ruling,
    Vote,
)
from agora.domain.council import LEAST_SEATS, Reputation, Seat
from agora.domain.errors import RefusedError
from agora.domain.faults import ModelFault
from agora.domain.replies import Reply
from agora.team.asking import Asking
from agora.team.library import Library
from agora.team.market import Market


class Sealed(BaseModel):
    """What a member writes into its envelope."""

    answer: str = Field(min_length=1)
    confidence: float = Field(ge=0, le=1)
    argument: str = ""


@dataclass(frozen=True)
class Meeting:
    """War rooms."""

    asking: Asking
    market: Market
    library: Library

    async def seat(self, task: AgentTask) -> list[Json]:
        """Return who sits, strongest first: other departments and families before standing."""
        mix = self.market.mix(task)
        offers, _ = await self.market.offers(task, {"mix": mix})
        able = {offer.name: offer for offer in offers if not offer.barred}
        state = await self.market.standings()
        candidates = [
            _seat(bidder, able[bidder.name], state, mix)
            for bidder in await self.market.bidders()
            if bidder.model is not None and bidder.name in able
        ]
        return [_as_json(one) for one in council.seat(candidates).seats]

    def next_seat(self, seats: Sequence[Json], votes: Sequence[Json]) -> Json | None:
        """Return whom to ask next; None when nobody is left who could change the winner.

        However clear it seems, so many are heard as a war room needs.
        """
        if len(votes) < min(LEAST_SEATS, len(seats)):
            return seats[len(votes)]
        found = council.next_seat(_seats(seats), [Vote.model_validate(vote) for vote in votes])
        return _as_json(found) if found else None

    async def ask(
        self, task: AgentTask, seat: Json, ordinal: int, tell: Callable[..., None]
    ) -> Vote:
        """Return one member's sealed vote; a member that fails loses it, not the meeting."""
        one = _seats([seat])[0]
        blank = Vote(
            expert=one.expert, model=one.model, department=one.department, family=one.family
        )
        tell("vote", expert=one.name)
        try:
            reply = await self._reply(task, one, ordinal)
            said = Sealed.model_validate_json(reply.text)
        except (ModelFault, RefusedError) as error:
            return blank.but(error=str(error))
        except ValidationError as error:
            return blank.but(error=f"wrote no valid vote ({error.errors()[0]['msg']})")
        return blank.but(
            answer=said.answer,
            confidence=said.confidence,
            cost_usd=reply.cost_usd,
            tokens=reply.tokens_in + reply.tokens_out,
        )

    async def _reply(self, task: AgentTask, seat: Seat, ordinal: int) -> Reply:
        bidder = await self.market.bidder(seat.name)
        found = await self.library.passages(task)
        evidence = "\n\n".join(f"{one.path}:{one.line}\n{one.text}" for one in found)
        messages = [
            {"role": "system", "content": bidder.expert.system},
            {
                "role": "user",
                "content": prompts.load("vote").render(task=task.text, evidence=evidence),
            },
        ]
        return await self.asking.ask(task, bidder, messages, ordinal=ordinal, schema=Sealed)

    def rule(self, seats: Sequence[Json], votes: Sequence[Json]) -> tuple[Ruling, AgentOutcome]:
        """Return the ruling and the outcome that follows from it; too few votes rule nothing."""
        given = [Vote.model_validate(vote) for vote in votes]
        if len(seats) < LEAST_SEATS:
            return _too_few(len(seats))
        ruling = council.rule(_seats(seats), given)
        return ruling, _outcome(ruling)


def _seat(bidder: Any, offer: Offer, state: Json, mix: dict[str, float]) -> Seat:
    q, _ = standings.p_success(state, bidder.name, mix, offer.overlap)
    return Seat(
        expert=bidder.expert.name,
        model=bidder.model.name,
        department=bidder.expert.department,
        family=bidder.model.family,
        p=q,
        reputation=Reputation.start(q),
    )


def _as_json(seat: Seat) -> Json:
    return {
        "expert": seat.expert,
        "model": seat.model,
        "department": seat.department,
        "family": seat.family,
        "p": seat.p,
        "right": seat.reputation.right,
        "wrong": seat.reputation.wrong,
    }


def _seats(rows: Sequence[Json]) -> list[Seat]:
    return [
        Seat(
            row["expert"],
            row["model"],
            row["department"],
            row["family"],
            row["p"],
            Reputation(row["right"], row["wrong"]),
        )
        for row in rows
    ]


def _too_few(seats: int) -> tuple[Ruling, AgentOutcome]:
    said = f"a war room needs {LEAST_SEATS} experts on models, and only {seats} can bid"
    hint = "set OLLAMA_HOST or OPENAI_API_KEY, or declare experts in prompts/experts"
    ruling = Ruling(answer="", confidence=0.0, votes=(), is_consensus=False, reason=said)
    return ruling, AgentOutcome(status="failed", error=said, hint=hint)


def _outcome(ruling: Ruling) -> AgentOutcome:
    winner = next((vote for vote in ruling.votes if vote.answer == ruling.answer), None)
    return AgentOutcome(
        status="answered" if ruling.answer and ruling.is_consensus else "failed",
        answer=ruling.answer if ruling.is_consensus else "",
        confidence=ruling.confidence,
        error=None if ruling.is_consensus else f"the war room found no consensus: {ruling.reason}",
        expert="war_room",
        model=winner.model if winner else None,
        cost_usd=sum(vote.cost_usd for vote in ruling.votes),
        tokens=sum(vote.tokens for vote in ruling.votes),
    )
