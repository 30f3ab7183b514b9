"""Appealing: a meeting that cannot rule asks a person, whose first word counts."""

from dataclasses import dataclass

from agora.domain.contracts import AgentTask, Ruling
from agora.domain.errors import UsageError
from agora.team.acting import Acting, case
from memory import appeals
from memory.database import Database, Row


@dataclass(frozen=True)
class Appealing:
    """Meetings that wait for a person."""

    database: Database
    acting: Acting

    async def ask(self, task: AgentTask, ruling: Ruling) -> None:
        """Let people see what is asked; a stage that begins again asks nothing new."""
        here = case.get().thread_id
        async with self.database.transaction() as connection:
            await appeals.ask(connection, task.id, here, task.as_json(), ruling.as_json())

    async def find(self, room_id: str) -> Row | None:
        """Return an appeal with its `task`, `ruling` and `answer`, or None."""
        async with self.database.autocommit() as connection:
            return await appeals.find(connection, room_id)

    async def waiting(self) -> list[Row]:
        """Return the meetings that wait for a person, oldest first."""
        async with self.database.autocommit() as connection:
            return await appeals.waiting(connection)

    async def hear(self, room_id: str, answer: str, by: str) -> str:
        """Keep a person's ruling, "" for none, unless somebody was quicker; return what counts.

        Raises UsageError for a meeting that asks nobody.
        """
        async with self.database.transaction() as connection:
            is_first = await appeals.answer(connection, room_id, answer, by)
            known = await appeals.find(connection, room_id)
        if known is None:
            raise UsageError(f"no meeting of {room_id} waits for a ruling", f"agora room {room_id}")
        if is_first:
            verdict = "ruled" if answer else "left open"
            await self.acting.record("answer_appeal", f"room:{room_id}", verdict, actor=by)
        return str(known["answer"])
