"""How events reach whoever follows: from PostgreSQL, woken by NOTIFY, or through Redis Streams."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from psycopg import AsyncConnection, OperationalError

from agora.domain.errors import DatabaseError
from agora.domain.settings import Settings
from memory import events
from memory.database import STREAM, Database, end, heed_cancellation
from memory.events import Batch, Cursor, Wanted

LOOK_S = 1.0
"""How often is looked without being woken: a process may die before it has notified."""
SETTLE_S = 0.02
"""How soon is looked again for what is written, but not certain yet."""


class Delivery(Protocol):
    """The way of events to their readers, in order, each one certain."""

    async def read(self, wanted: Wanted, after: Cursor, wait_s: float) -> Batch:
        """Return the next events of a follower, waiting for the first one for so long."""

    async def take(self, group: str, wanted: Wanted, after: Cursor, wait_s: float) -> Batch:
        """Return the next events of a group; who takes is the only one of it."""

    async def acknowledge(self, group: str, upto: Cursor) -> None:
        """Forget what a group has done."""

    async def close(self) -> None:
        """Close what was opened."""


@dataclass
class Outbox:
    """The events table itself, and a NOTIFY that says when there is something new."""

    database: Database
    _readers: set[asyncio.Event] = field(default_factory=set, init=False)
    _listening: asyncio.Task[None] | None = field(default=None, init=False)

    async def read(self, wanted: Wanted, after: Cursor, wait_s: float) -> Batch:
        """Return the next events, waiting for them."""
        ends_at = asyncio.get_running_loop().time() + wait_s
        async with self._woken() as bell:
            while True:
                bell.clear()
                async with self.database.autocommit() as connection:
                    batch = await events.read(connection, wanted, after)
                left_s = ends_at - asyncio.get_running_loop().time()
                if batch.events or left_s <= 0:
                    return batch
                after = batch.end
                heed_cancellation()
                await _wait(bell, min(left_s, SETTLE_S if batch.is_unsettled else LOOK_S))

    async def take(self, group: str, wanted: Wanted, after: Cursor, wait_s: float) -> Batch:
        """Return the next events: what a group has done its cursor says."""
        return await self.read(wanted, after, wait_s)

    async def acknowledge(self, group: str, upto: Cursor) -> None:
        """Leave it to the cursor."""

    async def close(self) -> None:
        """Stop listening."""
        if self._listening:
            await end(self._listening)
            self._listening = None

    @asynccontextmanager
    async def _woken(self) -> AsyncIterator[asyncio.Event]:
        """Yield what is set at each NOTIFY; one connection listens for all readers."""
        bell = asyncio.Event()
        self._readers.add(bell)
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._listen())
        try:
            yield bell
        finally:
            self._readers.discard(bell)

    async def _listen(self) -> None:
        """Listen until closed; where that fails, readers look by themselves for a while."""
        try:
            connection = await AsyncConnection.connect(await self.database.url(), autocommit=True)
            async with connection:
                await connection.execute(f"LISTEN {STREAM}")
                async for _ in connection.notifies():
                    for bell in self._readers:
                        bell.set()
        except (OperationalError, DatabaseError):
            await asyncio.sleep(LOOK_S)


async def _wait(bell: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await bell.wait()
    except TimeoutError:
        pass


def choose_delivery(settings: Settings, database: Database) -> Delivery:
    """Use Redis where `REDIS_URL` names one, else PostgreSQL alone."""
    outbox = Outbox(database)
    if settings.redis.url is None:
        return outbox
    from memory.redis_streams import RedisStreams

    return RedisStreams.at(settings.redis.url.get_secret_value(), outbox)
