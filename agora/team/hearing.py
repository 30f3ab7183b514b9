"""Hearing: what members of a war room are asked, and what their replies are worth as votes."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

import prompts
from agora.domain import labels, meaning, validity
from agora.domain.chat import prompt_tokens
from agora.domain.contracts import AgentTask, Json, Vote
from agora.domain.council import Seat
from agora.domain.documents import says
from agora.domain.errors import RefusedError, SettingsError
from agora.domain.faults import ModelFault
from agora.domain.injections import printable
from agora.domain.models import most_spent
from agora.domain.passages import Document
from agora.domain.redaction import redact
from agora.domain.replies import Reply
from agora.domain.settings import RoomSettings
from agora.team.asking import CLOSING_S, Asking
from agora.team.clocks import Clock
from agora.team.library import Library
from agora.team.market import Market
from memory import rooms
from memory.database import Database

Tell = Callable[..., None]
LOST = (ModelFault, RefusedError, SettingsError, ValidationError)
"""What costs a member its vote, and not the meeting."""
LEAST_S = 1.0
"""Seconds in which a member could answer at all: a smaller share of a short meeting is none."""
SAME = 100
"""Ordinals of the questions whether answers say the same are counted from here."""


class Sealed(BaseModel):
    """What a member writes into its envelope."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    answer: str = Field(min_length=1, max_length=20_000)
    confidence: float = Field(ge=0, le=1)
    argument: str = Field(default="", max_length=4_000)
    quotes: list[str] = Field(default=[], max_length=20)

    @field_validator("confidence", mode="before")
    @classmethod
    def _of_percent(cls, given: Any) -> Any:
        is_percent = isinstance(given, int | float) and 1 < given <= 100
        return given / 100 if is_percent else given


class Chosen(BaseModel):
    """What a judge writes: the number of an answer, or 0."""

    answer: int = Field(ge=0)
    confidence: float = Field(ge=0, le=1)
    reason: str = ""


class Same(BaseModel):
    """Which of the numbered answers say the same."""

    groups: list[list[int]]


@dataclass(frozen=True)
class Session:
    """One meeting's caps: until when one question may take, and what is left of calls and USD."""

    task: AgentTask
    ends_at: str
    calls: int
    usd: float


@dataclass(frozen=True)
class Hearing:
    """The way of every question that a war room asks."""

    settings: RoomSettings
    database: Database
    asking: Asking
    market: Market
    library: Library
    clock: Clock

    async def session(self, task: AgentTask, room_ends_at: str, shares: int) -> Session:
        """Return the caps of the next questions, should as many rounds as `shares` be to come."""
        async with self.database.transaction() as connection:
            spent = await rooms.spent(connection, task.id)
        left_s = max(0.0, self.asking.admission.left_s(room_ends_at) - CLOSING_S)
        share_s = max(left_s / shares, min(LEAST_S, left_s / 2))
        # Closing is the meeting's, once, and no member's: asking takes it off again.
        own_s = min(self.settings.member_s, share_s) + CLOSING_S
        until = self.clock() + timedelta(seconds=own_s)
        left_usd = self.settings.usd - spent["cost_usd"]
        return Session(task, until.isoformat(), self.settings.calls - spent["calls"], left_usd)

    async def votes(
        self, session: Session, wave: Sequence[Seat], first_ordinal: int, tell: Tell
    ) -> list[Vote]:
        """Return the sealed votes of some members, asked at once."""
        read, evidence = await self._evidence(session.task)
        text = prompts.load("vote").render(task=session.task.text, evidence=evidence)
        return await self._all(session, wave, [text] * len(wave), first_ordinal, read, tell)

    async def second_votes(
        self, session: Session, wave: Sequence[Seat], votes: Sequence[Vote], tell: Tell
    ) -> list[Vote]:
        """Return what members say who have seen all arguments without names."""
        read, evidence = await self._evidence(session.task)
        shown, own = _numbered(session.task, votes), {vote.name: vote for vote in votes}
        texts = [
            prompts.load("evidence").render(
                task=session.task.text,
                evidence=evidence,
                arguments=shown,
                yours=own[one.name].answer,
            )
            for one in wave
        ]
        heard = await self._all(session, wave, texts, 0, read, tell)
        return [_joined(own[vote.name], vote) for vote in heard]

    async def _all(
        self,
        session: Session,
        wave: Sequence[Seat],
        texts: Sequence[str],
        first_ordinal: int,
        read: Sequence[Document],
        tell: Tell,
    ) -> list[Vote]:
        # The cap in USD is shared out before anybody is asked: they are asked at once.
        share = Session(session.task, session.ends_at, session.calls, session.usd / len(wave))
        return await asyncio.gather(
            *(
                self._vote(share, seat, text, first_ordinal + index, read, tell)
                for index, (seat, text) in enumerate(zip(wave, texts, strict=True))
            )
        )

    async def _vote(
        self,
        session: Session,
        seat: Seat,
        text: str,
        ordinal: int,
        read: Sequence[Document],
        tell: Tell,
    ) -> Vote:
        tell("vote", expert=seat.name)
        try:
            reply = await self._ask(session, seat, text, ordinal, Sealed)
            said = Sealed.model_validate_json(reply.text)
        except LOST as error:
            vote = _blank(seat).but(error=_sentence(error))
        else:
            vote = _cast(session.task, seat, said, reply, read)
        tell("voted", **_told(vote))
        return vote

    async def judged(self, session: Session, seat: Seat, votes: Sequence[Vote], tell: Tell) -> Vote:
        """Return an outsider's choice among the answers, as a vote of its own."""
        tell("judge", expert=seat.name)
        listed = _distinct(session.task, votes)
        text = prompts.load("judge").render(
            task=session.task.text, answers=_numbered(session.task, votes)
        )
        try:
            reply = await self._ask(session, seat, text, 0, Chosen)
            said = Chosen.model_validate_json(reply.text)
            chosen = listed[said.answer - 1][0] if 0 < said.answer <= len(listed) else None
        except LOST as error:
            vote = _blank(seat).but(error=_sentence(error))
        else:
            vote = _blank(seat).but(error="none of the answers, it says", **_used(reply))
            if chosen:
                same: Json = {"answer": chosen.answer, "meaning": chosen.meaning, "error": None}
                vote = vote.but(**same, confidence=said.confidence, argument=said.reason)
        tell("voted", **_told(vote))
        return vote

    async def compared(
        self, session: Session, seat: Seat, votes: Sequence[Vote], ordinal: int
    ) -> list[Vote]:
        """Return the votes with one meaning for all answers that say the same, says a model.

        Without its help every wording stands for itself.
        """
        listed = _distinct(session.task, votes)
        lines = [f"{number}. {group[0].answer}" for number, group in enumerate(listed, 1)]
        text = prompts.load("same_answer").render(task=session.task.text, answers="\n".join(lines))
        try:
            reply = await self._ask(session, seat, text, SAME + ordinal, Same)
            groups = Same.model_validate_json(reply.text).groups
        except LOST:
            return list(votes)
        return _merged(votes, [group[0].meaning for group in listed], groups)

    async def _ask(
        self, session: Session, seat: Seat, text: str, ordinal: int, schema: type[BaseModel]
    ) -> Reply:
        bidder = await self.market.bidder(seat.name)
        messages = [
            {"role": "system", "content": bidder.expert.system},
            {"role": "user", "content": text},
        ]
        model: Any = bidder.model
        longest = self.asking.settings.execution.answer_tokens
        most = most_spent(model, prompt_tokens(messages, (), schema), longest).cost_usd
        if most > max(0.0, session.usd):
            raise RefusedError(f"{seat.name} could cost {most:.4f} USD, more than the meeting has")
        return await self.asking.ask(
            session.task,
            bidder,
            messages,
            ordinal=ordinal,
            ends_at=session.ends_at,
            schema=schema,
        )

    async def _evidence(self, task: AgentTask) -> tuple[list[Document], str]:
        if task.workspace is None:
            return [], ""
        found = await self.library.passages(task)
        quoted = "\n\n".join(f"{printable(one.path)}:{one.line}\n{one.text}" for one in found)
        return await self.library.read(task), quoted

    async def labels(self, task: AgentTask) -> tuple[str, ...]:
        """Return what a meeting takes on by reading the documents that it is shown."""
        found = await self.library.passages(task)
        read = labels.of_texts(*(text for one in found for text in (one.path, one.text)))
        return labels.taken_on(task.labels, read)


def is_unclear(votes: Sequence[Vote]) -> bool:
    """Return whether two answers may say the same in other words."""
    forms = {vote.meaning for vote in votes if vote.meaning and not vote.error}
    return len(forms) > 1 and not all(map(meaning.is_exact, forms))


def _cast(
    task: AgentTask, seat: Seat, said: Sealed, reply: Reply, read: Sequence[Document]
) -> Vote:
    """Return what a member has said as its vote; what cannot count is an error."""
    vote = _blank(seat).but(
        answer=said.answer.strip(),
        meaning=meaning.meaning(said.answer, meaning.options(task.text)),
        confidence=said.confidence,
        argument=said.argument,
        quotes=tuple(filter(str.strip, said.quotes)),
        **_used(reply),
    )
    why = validity.validate(vote.answer, "stop")
    if why is None and not vote.meaning:
        why = "is none of the options" if meaning.options(task.text) else "says nothing"
    if why:
        return vote.but(error=f"its answer {why}")
    if read and (false := next((q for q in vote.quotes if not says(read, q)), None)):
        return vote.but(error=f"quotes what no document says: {false[:80]!r}")
    return vote


def _blank(seat: Seat) -> Vote:
    return Vote(
        expert=seat.expert, model=seat.model, department=seat.department, family=seat.family
    )


def _used(reply: Reply) -> Json:
    return {
        "cost_usd": reply.cost_usd,
        "tokens": reply.tokens_in + reply.tokens_out,
        "latency_s": reply.latency_s,
    }


def _joined(first: Vote, second: Vote) -> Vote:
    """Return a member's vote after the arguments; who fails now keeps what it has said."""
    both: Json = {
        "first": first.answer,
        "cost_usd": first.cost_usd + second.cost_usd,
        "tokens": first.tokens + second.tokens,
        "latency_s": first.latency_s + second.latency_s,
    }
    return (first if second.error else second).but(**both)


def _sentence(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return f"wrote no valid vote ({error.errors()[0]['msg']})"
    return redact(str(error))


def _told(vote: Vote) -> Json:
    told = vote.model_dump(include={"cost_usd", "tokens", "latency_s", "error"})
    return told | {"expert": vote.name}


def _distinct(task: AgentTask, votes: Sequence[Vote]) -> list[list[Vote]]:
    """Return the valid votes by answer, in an order that tells nothing of who said it."""
    groups: dict[str, list[Vote]] = {}
    for vote in votes:
        if vote.meaning and not vote.error:
            groups.setdefault(vote.meaning, []).append(vote)
    order = sorted(groups, key=lambda form: sha256(f"{task.id}/{form}".encode()).digest())
    return [groups[form] for form in order]


def _numbered(task: AgentTask, votes: Sequence[Vote]) -> str:
    said = [
        f"{number}. {group[0].answer}"
        + "".join(f"\n   - {vote.argument}" for vote in group if vote.argument)
        for number, group in enumerate(_distinct(task, votes), 1)
    ]
    return "\n".join(said)


def _merged(votes: Sequence[Vote], forms: list[str], groups: list[list[int]]) -> list[Vote]:
    """Return the votes, those of a group with the meaning of its first; a bad group changes none.

    Two quantities, options, or a yes and a no are never the same, whatever a model says.
    """
    same: dict[str, str] = {}
    for group in groups:
        members = [forms[number - 1] for number in group if 0 < number <= len(forms)]
        exact = [form for form in members if meaning.is_exact(form)]
        if len(exact) <= 1 and not same.keys() & set(members):
            same |= dict.fromkeys(members, (exact or members)[0]) if members else {}
    return [vote.but(meaning=same.get(vote.meaning, vote.meaning)) for vote in votes]
