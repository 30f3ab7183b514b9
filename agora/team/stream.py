"""The knowledge stream: what happens, told in order to whoever follows, and lost for nobody."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from psycopg import OperationalError

from agora.domain.errors import ClaimLostError
from agora.domain.settings import StreamSettings
from memory import cursors, events
from memory.database import Database, end, heed_cancellation
from memory.deliveries import Delivery
from memory.events import Batch, Cursor, Event, Wanted

START = Cursor()
WAIT_S = 60.0
"""How long one reading waits; then it reads on from where it is."""


@dataclass(frozen=True)
class Stream:
    """Publishing, following, consuming."""

    database: Database
    delivery: Delivery
    settings: StreamSettings

    async def publish(self, correlation_id: str, kind: str, body: Any, channel: str = "") -> None:
        """Add an event that belongs to no other transaction; see `memory.events.publish`."""
        async with self.database.autocommit() as connection:
            await events.publish(connection, correlation_id, kind, body, channel)

    async def follow(
        self,
        *,
        after: Cursor | None = None,
        kinds: Sequence[str] = (),
        correlation_id: str | None = None,
        channel: str = "",
    ) -> AsyncIterator[Event]:
        """Yield the events after a cursor, those that are kept first, then live and for ever.

        `START` is the oldest one that is kept; None is where the stream is at the first step.
        """
        wanted = Wanted(channel, correlation_id, tuple(kinds))
        if after is None:
            after = await self.end()
        while True:
            heed_cancellation()
            batch = await self.delivery.read(wanted, after, WAIT_S)
            for event in batch.events:
                yield event
            after = batch.end

    async def end(self) -> Cursor:
        """Return where the stream is now."""
        async with self.database.autocommit() as connection:
            return await events.certain_end(connection)

    async def kept(
        self,
        *,
        after: Cursor = START,
        kinds: Sequence[str] = (),
        correlation_id: str | None = None,
        channel: str = "",
    ) -> list[Event]:
        """Return what `follow` would yield now, without waiting."""
        wanted, found = Wanted(channel, correlation_id, tuple(kinds)), list[Event]()
        while batch := await self._read(wanted, after):
            found, after = found + batch.events, batch.end
        return found

    async def close_channels(self) -> None:
        """Let temporary channels disappear that were kept long enough after their last event."""
        async with self.database.autocommit() as connection:
            await events.close_channels(connection, timedelta(seconds=self.settings.channel_s))

    async def _read(self, wanted: Wanted, after: Cursor) -> Batch | None:
        async with self.database.autocommit() as connection:
            batch = await events.read(connection, wanted, after)
        return batch if batch.events else None

    @asynccontextmanager
    async def consume(
        self,
        group: str,
        *,
        kinds: Sequence[str] = (),
        start: Cursor = START,
        channel: str | None = "",
        delivery: Delivery | None = None,
    ) -> AsyncIterator["Consumer"]:
        """Read for a group, as soon as nobody else of it does; a group that is new begins at start.

        An event comes again, to this or another consumer, until it or a later one is acknowledged.
        """
        wanted = Wanted(channel, None, tuple(kinds))
        consumer = Consumer(self.database, delivery or self.delivery, group, wanted, self.settings)
        consumer.position = await consumer.hold(start)
        holding = asyncio.create_task(consumer.keep_holding())
        try:
            yield consumer
        finally:
            await end(holding)
            await consumer.leave()


@dataclass
class Consumer:
    """The one of its group that reads."""

    database: Database
    delivery: Delivery
    group: str
    wanted: Wanted
    settings: StreamSettings
    holder: str = field(default_factory=lambda: uuid.uuid4().hex)
    position: Cursor = START

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Yield events, those that were not acknowledged before first."""
        while True:
            for event in (await self.next()).events:
                yield event

    async def next(self, wait_s: float = WAIT_S) -> Batch:
        """Return the next events, waiting for the first of them for so long."""
        heed_cancellation()
        batch = await self.delivery.take(self.group, self.wanted, self.position, wait_s)
        self.position = batch.end
        return batch

    async def acknowledge(self, upto: Cursor | Event) -> None:
        """Say that everything up to there is done; raise ClaimLostError if it is another's now."""
        cursor = upto.cursor if isinstance(upto, Event) else upto
        async with self.database.autocommit() as connection:
            is_ours = await cursors.move(connection, self.group, self.holder, cursor)
        if not is_ours:
            raise ClaimLostError(f"another consumer reads for {self.group}")
        await self.delivery.acknowledge(self.group, cursor)

    async def hold(self, start: Cursor) -> Cursor:
        """Wait until nobody else reads for the group; return where it is."""
        while True:
            async with self.database.autocommit() as connection:
                found = await cursors.hold(connection, self.group, self.holder, start, self._lease)
            if found is not None:
                return found
            heed_cancellation()
            await asyncio.sleep(self.settings.lease_s / 5)

    async def keep_holding(self) -> None:
        """Renew the lease until cancelled; a lost one shows at the next acknowledgement."""
        while True:
            await asyncio.sleep(self.settings.lease_s / 3)
            with suppress(OperationalError):
                async with self.database.autocommit() as connection:
                    await cursors.renew(connection, self.group, self.holder, self._lease)

    async def leave(self) -> None:
        """Let another one read at once."""
        with suppress(OperationalError):
            async with self.database.autocommit() as connection:
                await cursors.leave(connection, self.group, self.holder)

    @property
    def _lease(self) -> timedelta:
        return timedelta(seconds=self.settings.lease_s)
