"""Relaying: what the outbox holds goes to Redis, in order, and nothing of it is left out."""

import asyncio
from dataclasses import dataclass

from redis.exceptions import RedisError

from agora.domain.errors import SettingsError
from agora.team.stream import Consumer, Stream
from memory.database import heed_cancellation
from memory.events import Cursor
from memory.redis_streams import RedisStreams

GROUP = "redis"
AGAIN_S = 2.0
"""How long a relay waits for a Redis that is down."""


@dataclass(frozen=True)
class Relaying:
    """A consumer of the outbox, one of all workers at a time."""

    stream: Stream
    streams: RedisStreams

    async def run(self) -> None:
        """Relay until cancelled; a Redis that is down is waited for, and said once."""
        outbox = self.streams.outbox
        async with self.stream.consume(GROUP, channel=None, delivery=outbox) as consumer:
            while True:
                heed_cancellation()
                try:
                    newest = await self._begin(consumer)
                    while True:
                        newest = await self._relay(consumer, newest)
                        heed_cancellation()
                except (RedisError, OSError, SettingsError) as error:
                    self.streams.warn(error)
                    await asyncio.sleep(AGAIN_S)

    async def _begin(self, consumer: Consumer) -> Cursor:
        """Go back to where Redis is, should it have failed or lost what it was given."""
        await self.streams.ensure_ours()
        newest = await self.streams.newest()
        consumer.position = min(consumer.position, newest)
        return newest

    async def _relay(self, consumer: Consumer, newest: Cursor) -> Cursor:
        """Add the next events to a stream that ends with `newest`; return how it ends then."""
        found = (await consumer.next()).events
        if await self.streams.newest() != newest:
            return await self._begin(consumer)
        if found:
            await self.streams.add(found, self.stream.settings.channel_s)
            await consumer.acknowledge(found[-1])
        return max([newest, *(event.cursor for event in found if not event.channel)])
