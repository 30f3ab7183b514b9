"""Meeting: the war room. Who is asked next, when it is enough, what is ruled, what is kept."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agora.domain import council, meaning
from agora.domain.contracts import AgentOutcome, AgentTask, Json, Ruling, Vote
from agora.domain.council import LEAST_SEATS, Seat
from agora.domain.errors import UsageError
from agora.domain.settings import RoomSettings
from agora.team.acting import case, standing_alone
from agora.team.appealing import Appealing
from agora.team.hearing import Hearing, Session, Tell, is_unclear
from agora.team.minutes import Minutes, channel_of, meaning_of
from agora.team.seating import Seating, as_json, seats_of
from agora.team.stream import START, Stream
from agora.team.verifying import Verifying
from memory import events
from memory.database import Database
from memory.events import Event

MORE_SEATS = "set OLLAMA_HOST or OPENAI_API_KEY, or declare experts in prompts/experts"


@dataclass(frozen=True)
class Meeting:
    """War rooms."""

    settings: RoomSettings
    database: Database
    seating: Seating
    hearing: Hearing
    minutes: Minutes
    appealing: Appealing
    stream: Stream
    verifying: Verifying

    async def open(self, task: AgentTask, ends_at: str | None) -> tuple[list[Json], Json]:
        """Return who sits, strongest first, and the table: its end, its outsider, its domain."""
        await self.stream.close_channels()
        seated = await self.seating.seat(task)
        last = self.hearing.clock() + timedelta(seconds=self.settings.deadline_s)
        if ends_at:
            last = min(last, datetime.fromisoformat(ends_at))
        table = {
            "ends_at": last.isoformat(),
            "outsider": as_json(seated.outsider) if seated.outsider else None,
            "note": seated.note,
            "domain": seated.domain,
            "seated": seated.found,
        }
        seats = [as_json(one) for one in seated.seats]
        names = [one.name for one in seated.seats]
        told = {"task": task.text, "seats": names, "note": seated.note}
        await self._tell(task, "room.opened", told)
        return seats, table

    async def hear(
        self, task: AgentTask, table: Json, seats: Sequence[Json], votes: Sequence[Json], tell: Tell
    ) -> list[Json]:
        """Return the votes after those who must be heard next; the same ones when it is enough."""
        sitting, given = seats_of(seats), votes_of(votes)
        wave = council.next_seats(sitting, given)
        if not wave or table["seated"] < LEAST_SEATS:
            return list(votes)
        # Should all of them hang, one wave for each of the others must still find time.
        shares = len(sitting) - len(given) - len(wave) + 3
        session = await self.hearing.session(task, table["ends_at"], shares)
        wave = wave[: max(0, session.calls)]
        if not wave or self._is_late(table):
            return list(votes)
        heard = await self.hearing.votes(session, wave, len(given), tell)
        heard = await self.verifying.verified(task, heard)
        given = await self._compared(task, table, sitting, [*given, *heard])
        await self._tell(task, "room.voted", *map(_shown, given[-len(wave) :]))
        return [vote.as_json() for vote in given]

    def is_undecided(self, table: Json, seats: Sequence[Json], votes: Sequence[Json]) -> bool:
        """Return whether a vote that is still out could change the winner."""
        left = council.next_seats(seats_of(seats), votes_of(votes))
        return bool(left) and not self._is_late(table)

    def _is_late(self, table: Json) -> bool:
        return self.hearing.clock() >= datetime.fromisoformat(table["ends_at"])

    async def _compared(
        self, task: AgentTask, table: Json, seats: Sequence[Seat], votes: list[Vote]
    ) -> list[Vote]:
        """Return the votes with one meaning where they say the same in other words."""
        session = await self.hearing.session(task, table["ends_at"], 3)
        if not is_unclear(votes) or session.calls < 1 or self._is_late(table):
            return votes
        outsider = table["outsider"]
        asked = seats_of([outsider])[0] if outsider else seats[0]
        return await self.hearing.compared(session, asked, votes, len(votes))

    def wants_evidence(self, table: Json, seats: Sequence[Json], votes: Sequence[Json]) -> bool:
        """Return whether members disagree too much to rule, and there is time to hear why."""
        given = votes_of(votes)
        answers = {vote.meaning for vote in given if not vote.error}
        ruling = council.rule(seats_of(seats), given, self.settings.threshold)
        is_open = len(answers) > 1 and not ruling.is_consensus
        return self.settings.evidence and is_open and not self._is_late(table)

    async def argue(
        self, task: AgentTask, table: Json, seats: Sequence[Json], votes: Sequence[Json], tell: Tell
    ) -> list[Json]:
        """Return the votes after every heard member has seen all arguments, without names."""
        given = votes_of(votes)
        valid = {vote.name for vote in given if not vote.error}
        wave = [one for one in seats_of(seats) if one.name in valid]
        session = await self.hearing.session(task, table["ends_at"], 2)
        wave = wave[: max(0, session.calls)]
        if not wave:
            return list(votes)
        tell("evidence", members=len(wave))
        second = {v.name: v for v in await self.hearing.second_votes(session, wave, given, tell)}
        argued = [second.get(vote.name, vote) for vote in given]
        argued = await self.verifying.verified(task, argued)
        argued = await self._compared(task, table, wave, argued)
        await self._tell(task, "room.argued", *map(_shown, argued))
        return [vote.as_json() for vote in argued]

    def wants_judge(self, table: Json, seats: Sequence[Json], votes: Sequence[Json]) -> bool:
        """Return whether an outsider should choose: nobody's answer is likely enough."""
        if not table["outsider"] or self._is_late(table):
            return False
        ruling = council.rule(seats_of(seats), votes_of(votes), self.settings.threshold)
        return bool(ruling.answer) and not ruling.is_consensus

    async def judge(
        self, task: AgentTask, table: Json, votes: Sequence[Json], tell: Tell
    ) -> Json | None:
        """Return the choice of a judge whose family is not at the table; None without one."""
        session = await self.hearing.session(task, table["ends_at"], 1)
        if session.calls < 1:
            return None
        outsider = seats_of([table["outsider"]])[0]
        vote = await self.hearing.judged(session, outsider, votes_of(votes), tell)
        await self._tell(task, "room.judged", _shown(vote))
        return vote.as_json()

    def rule(
        self, table: Json, seats: Sequence[Json], votes: Sequence[Json], judge: Json | None
    ) -> Ruling:
        """Return the ruling; a judge is heard as one more member of its own standing."""
        if table["seated"] < LEAST_SEATS:
            return _too_few(table["seated"])
        given, sitting = votes_of(votes), seats_of(seats)
        if judge:
            given, sitting = (
                [*given, *votes_of([judge])],
                [*sitting, *seats_of([table["outsider"]])],
            )
        ruling = council.rule(sitting, given, self.settings.threshold)
        by = "judge" if judge else "evidence" if any(v.first for v in given) else "vote"
        return ruling.but(decided_by=by if ruling.is_consensus else "nobody")

    async def close(
        self, task: AgentTask, table: Json, seats: Sequence[Json], ruling: Ruling
    ) -> tuple[Ruling, AgentOutcome]:
        """Keep the minutes, once, and return the ruling with the outcome that follows from it."""
        spent = await self.minutes.spent(task.id)
        ruling = ruling.but(calls=spent["calls"])
        await self.minutes.keep(task, table["domain"], seats, ruling, spent)
        if ruling.decided_by == "person":
            await self.learn(task.id, ruling.answer)
        read = await self.hearing.labels(task)
        return ruling, _outcome(ruling, spent).but(labels=read)

    async def said(self, room_id: str) -> list[Event]:
        """Return what a meeting's channel has carried so far; nothing once it has disappeared."""
        return await self.stream.kept(channel=channel_of(room_id))

    def follow(self, room_id: str) -> AsyncIterator[Event]:
        """Yield what a meeting's channel carries, from its beginning on and for ever."""
        return self.stream.follow(after=START, channel=channel_of(room_id))

    async def learn(
        self, room_id: str, truth: str | None = None, *, is_right: bool = False
    ) -> bool:
        """Count for each member whether it was right, once; return False if that was done before.

        `truth` is an answer known to be right; without one `is_right` says whether the ruling
        was. Who was not heard is asked now: heard only where others differ, the last seats would
        be judged on hard questions alone. Raises UsageError for a meeting that nobody knows.
        """
        room = await self.minutes.find(room_id)
        if room is None:
            raise UsageError(f"there is no ruling of a room {room_id}", "agora log show")
        task = AgentTask.model_validate(room["minutes"]["task"])
        ruled = meaning_of(Ruling.model_validate(room["minutes"]["ruling"]))
        form = ruled if is_right else None
        if truth is not None:
            form = meaning.meaning(truth, meaning.options(task.text))
        is_news = room["judged_at"] is None
        late = await self._audited(task, room) if form and is_news and self.settings.audits else []
        return await self.minutes.learn(room, late, form)

    async def heed(self, task_id: str, *, is_right: bool) -> bool:
        """Learn from what a person says of an answer, if a meeting gave it; return whether so."""
        if await self.minutes.find(task_id) is None:
            return False
        return await self.learn(task_id, is_right=is_right)

    async def _audited(self, task: AgentTask, room: Json) -> list[Vote]:
        """Return what the members would have said who were not heard."""
        votes = votes_of(room["minutes"]["ruling"]["votes"])
        heard = {vote.name for vote in votes}
        left = [one for one in seats_of(room["minutes"]["seats"]) if one.name not in heard]
        if not left:
            return []
        ends_at = self.hearing.clock() + timedelta(seconds=self.settings.member_s)
        session = Session(task, ends_at.isoformat(), len(left), self.settings.usd)
        with standing_alone(task.id, "audit"):
            return await self.hearing.votes(session, left, 0, lambda *_, **__: None)

    async def _tell(self, task: AgentTask, kind: str, *bodies: Json) -> None:
        here, channel = case.get(), channel_of(task.id)
        async with self.database.transaction() as connection:
            for body in bodies:
                await events.publish(connection, here.correlation_id, kind, body, channel)


def asked_of_a_person(task: AgentTask, ruling: Ruling) -> Json:
    """Return what a person is shown who shall rule where the meeting cannot."""
    return {
        "question": task.text,
        "leading": ruling.answer,
        "others": list(ruling.dissent),
        "reason": ruling.reason,
        "room": task.id,
    }


def ruled(ruling: Ruling, decision: Json) -> str:
    """Return the answer that a person approves (the leading one) or gives; "" for none."""
    answers = {"approve": ruling.answer, "edit": str(decision.get("answer") or "").strip()}
    return answers.get(decision.get("type", ""), "")


def ruled_by_person(ruling: Ruling, answer: str) -> Ruling:
    """Return the ruling after a person's word; "" leaves it open."""
    if not answer:
        return ruling.but(reason=f"{ruling.reason}; a person has not ruled either")
    others = [one for one in (ruling.answer, *ruling.dissent) if one and one != answer]
    return ruling.but(
        answer=answer,
        confidence=1.0,
        is_consensus=True,
        reason="a person has ruled",
        decided_by="person",
        dissent=others,
    )


def votes_of(rows: Sequence[Json]) -> list[Vote]:
    """Return the votes that a state holds."""
    return [Vote.model_validate(row) for row in rows]


def _shown(vote: Vote) -> Json:
    return vote.as_json() | {"expert": vote.name}


def _too_few(seats: int) -> Ruling:
    said = f"a war room needs {LEAST_SEATS} experts on models, and only {seats} can bid"
    return Ruling(answer="", confidence=0.0, votes=(), is_consensus=False, reason=said)


def _outcome(ruling: Ruling, spent: Json) -> AgentOutcome:
    winner = next((vote for vote in ruling.votes if vote.answer == ruling.answer), None)
    error = f"the war room found no consensus: {ruling.reason}"
    return AgentOutcome(
        status="answered" if ruling.is_consensus else "failed",
        answer=ruling.answer if ruling.is_consensus else "",
        confidence=ruling.confidence,
        error=None if ruling.is_consensus else error if ruling.votes else ruling.reason,
        hint="" if ruling.votes else MORE_SEATS,
        expert="war_room",
        model=winner.model if winner else None,
        cost_usd=spent["cost_usd"],
        tokens=spent["tokens"],
        latency_s=sum(vote.latency_s for vote in ruling.votes),
    )
