"""Minutes: what stays of a war room, and what its members are worth once the truth is shown."""

from collections.abc import Sequence
from dataclasses import dataclass

from agora.domain.contracts import AgentTask, Json, Ruling, Vote
from agora.team.acting import Acting, case
from memory import events, rooms
from memory.database import Database, Row


@dataclass(frozen=True)
class Minutes:
    """The memory of war rooms."""

    database: Database
    acting: Acting

    async def spent(self, room_id: str) -> Row:
        """Return what a meeting has used up: `calls`, `tokens`, `cost_usd`."""
        async with self.database.transaction() as connection:
            return await rooms.spent(connection, room_id)

    async def keep(
        self, task: AgentTask, domain: str, seats: Sequence[Json], ruling: Ruling, spent: Row
    ) -> None:
        """Write the meeting down: in the signed log, then as a row and an event, once."""
        async with self.database.transaction() as connection:
            if await rooms.find(connection, task.id):
                return
        await self._record(task, ruling, spent)
        told = {"task": task.as_json(), "seats": list(seats), "spent": spent}
        told |= {"ruling": ruling.as_json()}
        async with self.database.transaction() as connection:
            if await rooms.keep(connection, task.id, case.get().thread_id, domain, told):
                told, channel = ruling.as_json(), channel_of(task.id)
                await events.publish(connection, task.id, "room.ruled", told, channel)

    async def _record(self, task: AgentTask, ruling: Ruling, spent: Row) -> None:
        """Append the ruling to the log; of a private task it says who voted, and nothing else."""
        said = {"answer"} if "private" not in task.labels else set()
        fields = {"expert", "model", "family", "weight", "cost_usd", "error", *said}
        if "private" in task.labels:
            fields.discard("error")  # it may quote the answer
        await self.acting.record(
            "rule",
            f"room:{task.id}",
            ruling.decided_by if ruling.is_consensus else "no consensus",
            correlation_id=case.get().correlation_id,
            reasons=[ruling.reason],
            votes=[vote.model_dump(mode="json", include=fields) for vote in ruling.votes],
            confidence=ruling.confidence,
            cost_usd=spent["cost_usd"],
            **({"answer": ruling.answer, "dissent": list(ruling.dissent)} if said else {}),
        )

    async def find(self, room_id: str) -> Row | None:
        """Return a meeting that has ruled: `minutes`, `ruled_at`, `truth`; or None."""
        async with self.database.transaction() as connection:
            return await rooms.find(connection, room_id)

    async def learn(self, room: Row, late: Sequence[Vote], form: str | None) -> bool:
        """Count for each member whether it was right, once; return False if that was done before.

        `late` are members heard afterwards; `form` is the meaning of what was right. None: all
        that is known is that the ruling was wrong, and so those who stood behind it.
        """
        ruling = Ruling.model_validate(room["minutes"]["ruling"])
        ruled = meaning_of(ruling)
        told = judged([*ruling.votes, *late], ruled, form) | {"domain": room["domain"]}
        async with self.database.transaction() as connection:
            if not await rooms.judge(connection, room["id"], form or f"not {ruled}"):
                return False
            await events.publish(connection, room["id"], "votes.judged", told)
            return True


def channel_of(room_id: str) -> str:
    """Return the temporary channel of the knowledge stream that carries a meeting."""
    return f"room:{room_id}"


def meaning_of(ruling: Ruling) -> str:
    """Return the form of what a meeting has ruled; "" where it has ruled nothing."""
    votes = (vote for vote in ruling.votes if vote.answer == ruling.answer and not vote.error)
    return next((vote.meaning for vote in votes), "")


def judged(votes: Sequence[Vote], ruled: str, truth: str | None) -> Json:
    """Return which members were right; `truth` None: all that is known is that `ruled` was not."""
    valid = [vote for vote in votes if vote.meaning and not vote.error]
    if truth is None:
        return {"votes": {vote.name: False for vote in valid if vote.meaning == ruled}}
    told: Json = {"votes": {vote.name: vote.meaning == truth for vote in valid}}
    if len(valid) > 1:
        # Votes stand strongest first, so the first is of the best that was heard.
        told |= {"best": valid[0].name, "best_right": valid[0].meaning == truth}
        told |= {"vote_right": ruled == truth}
    return told
