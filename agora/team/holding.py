"""Holding a thread: what the stage decorator asks of the claims and the stream."""

from dataclasses import dataclass
from datetime import timedelta

from agora.domain.contracts import Case, Json
from agora.domain.errors import ClaimHeldError
from memory import claims, events
from memory.claims import Claim
from memory.database import Database, Row


@dataclass(frozen=True)
class Holding:
    """Claims on threads, and the events of their stages."""

    database: Database

    async def announce(
        self, thread_id: str, stage: str, start: Json | None, lease: timedelta
    ) -> None:
        """Write a run down before it begins; raise ClaimHeldError if another one is at it."""
        async with self.database.transaction() as connection:
            if not await claims.announce(connection, thread_id, stage, start, lease):
                raise ClaimHeldError(
                    f"another run works on thread {thread_id}",
                    f"wait until it has ended; if its process has died: agora resume {thread_id}",
                )

    async def claim(
        self, here: Case, stage: str, holder: str, checkpoint_id: str, lease: timedelta
    ) -> int | Row | None:
        """Return our token and tell the stream; or else the claim that is in the way."""
        wanted = Claim(here.thread_id, stage, holder, checkpoint_id, lease)
        async with self.database.autocommit() as connection:
            token = await claims.claim(connection, wanted, here.correlation_id, _told(here))
            return token or await claims.find(connection, here.thread_id)

    async def renew(self, thread_id: str, token: int, lease: timedelta) -> bool:
        """Return whether the claim is ours for another lease."""
        async with self.database.urgent(lease.total_seconds() / 10) as connection:
            return await claims.renew(connection, thread_id, token, lease)

    async def stage(self, thread_id: str) -> str | None:
        """Return the last stage that a thread has entered; None when its claim is put away."""
        async with self.database.transaction() as connection:
            held = await claims.find(connection, thread_id)
        return str(held["stage"]) if held else None

    async def exit(self, here: Case) -> None:
        """Tell the stream that a stage has done its work."""
        async with self.database.autocommit() as connection:
            await events.note(connection, here.correlation_id, "stage.left", _told(here))

    async def hand_over(self, thread_ids: list[str]) -> None:
        """Let others go on at once with threads whose runs have been cut off here."""
        async with self.database.autocommit() as connection:
            await claims.hand_over(connection, thread_ids)

    async def leave(self, thread_id: str, token: int) -> None:
        """Let others in before the lease ends."""
        async with self.database.autocommit() as connection:
            await claims.leave(connection, thread_id, token)


def _told(here: Case) -> Json:
    return {"stage": here.stage, "case": here.id, "thread": here.thread_id, "round": here.round}
