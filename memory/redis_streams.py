"""The knowledge stream through Redis Streams: the outbox's events under their own cursors.

An entry's id is the event's cursor, so that to add one twice is refused and to read it twice is
seen; wherever Redis has nothing, has lost it or is away, the outbox is read from the same place.
"""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import Any, TypeVar

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError, WatchError

from agora.domain.errors import SettingsError
from memory.database import STREAM
from memory.deliveries import LOOK_S, Outbox
from memory.events import Batch, Cursor, Event, Wanted

log = structlog.get_logger(__name__)
ORIGIN = f"{STREAM}:origin"
ORIGIN_OF = "SELECT id FROM stream_origin"
LIMIT = 500
"""Events of one reading."""
LENGTH = 100_000
"""Events that Redis keeps, roughly; older ones are read from the outbox."""
TIMEOUT_S = 5.0
AGAIN_S = 5.0
"""How long a Redis that is down is left alone."""

T = TypeVar("T")


@dataclass
class RedisStreams:
    """Redis between the outbox and its readers, for as long as it is there."""

    client: Any  # redis-py's own types say that every answer may be awaited, or not
    outbox: Outbox
    consumer: str = field(default_factory=lambda: uuid.uuid4().hex)
    _taken: dict[str, list[Cursor]] = field(default_factory=dict, init=False)
    _is_ours: bool = field(default=False, init=False)
    _is_down: bool = field(default=False, init=False)
    _again_at: float = field(default=0.0, init=False)

    @classmethod
    def at(cls, url: str, outbox: Outbox) -> "RedisStreams":
        """Return the streams of a server; raise SettingsError for what is no URL of one."""
        try:
            client = Redis.from_url(
                url,
                decode_responses=True,
                protocol=2,
                socket_timeout=TIMEOUT_S,
                socket_connect_timeout=2.0,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError:  # it may hold a password, so it is not repeated
            hint = "such as redis://localhost:6379/0"
            raise SettingsError("REDIS_URL is not a Redis URL", hint) from None
        return cls(client, outbox)

    async def read(self, wanted: Wanted, after: Cursor, wait_s: float) -> Batch:
        """Return the next events, from Redis if it goes back so far."""
        batch = await self._try(lambda: self._read(wanted, after, wait_s))
        if batch is None:
            return await self.outbox.read(wanted, after, wait_s)
        if batch.events or wait_s <= 0:
            return batch
        return await self.outbox.read(wanted, batch.end, 0)  # whoever relays may have died

    async def take(self, group: str, wanted: Wanted, after: Cursor, wait_s: float) -> Batch:
        """Return the next events of a group, first those that another consumer has left."""
        batch = await self._try(lambda: self._take(group, wanted, after, wait_s))
        if batch is None:
            return await self.outbox.read(wanted, after, wait_s)
        if batch.events:
            return batch
        return await self.outbox.read(wanted, batch.end, 0)

    async def acknowledge(self, group: str, upto: Cursor) -> None:
        """Take from the group's list what it has done."""
        taken = self._taken.get(group, [])
        if done := [cursor for cursor in taken if cursor <= upto]:
            self._taken[group] = taken[len(done) :]
            await self._try(lambda: self.client.xack(STREAM, group, *map(str, done)))

    async def add(self, found: Sequence[Event], channel_s: float) -> None:
        """Add events in order; raise RedisError. What is there already stays as it is."""
        pipe = self.client.pipeline(transaction=False)
        for event in found:
            key = event.channel or STREAM
            pipe.xadd(key, _fields(event), id=str(event.cursor), maxlen=LENGTH, approximate=True)
            if event.channel:
                pipe.expire(key, round(channel_s) or 1)
        for said in await pipe.execute(raise_on_error=False):
            if isinstance(said, Exception) and "equal or smaller" not in str(said):
                raise said

    async def newest(self) -> Cursor:
        """Return the cursor of the newest event that was ever added; raise RedisError."""
        try:
            return Cursor.parse((await self.client.xinfo_stream(STREAM))["last-generated-id"])
        except ResponseError:  # there is no stream yet, or none any more
            return Cursor()

    async def ensure_ours(self) -> None:
        """Raise SettingsError if this Redis holds the events of another database."""
        async with self.outbox.database.autocommit() as connection:
            row = await (await connection.execute(ORIGIN_OF)).fetchone()
        assert row
        await self.client.set(ORIGIN, row["id"], nx=True)
        if await self.client.get(ORIGIN) != row["id"]:
            hint = "give each its own number: redis://…/1"
            raise SettingsError("REDIS_URL holds the events of another database", hint)

    def rest(self, is_resting: bool) -> None:
        """Ask Redis nothing until told otherwise: all goes by the outbox."""
        self._again_at = inf if is_resting else 0.0

    async def close(self) -> None:
        """Close all connections."""
        await self.outbox.close()
        await self.client.aclose()

    async def _read(self, wanted: Wanted, after: Cursor, wait_s: float) -> Batch | None:
        key = wanted.channel or STREAM
        if not await self._goes_back_to(key, after):
            return None
        ends_at = asyncio.get_running_loop().time() + min(wait_s, LOOK_S)
        while True:
            left_s = ends_at - asyncio.get_running_loop().time()
            block = max(1, round(1000 * left_s))
            found = _events(await self.client.xread({key: str(after)}, LIMIT, block), key)
            after = found[-1].cursor if found else after
            events = [event for event in found if wanted.has(event)]
            if events or not found or left_s <= 0:
                return Batch(events, after)

    async def _take(self, group: str, wanted: Wanted, after: Cursor, wait_s: float) -> Batch | None:
        if not await self._goes_back_to(STREAM, after):
            return None
        found = [] if group in self._taken else await self._join(group, after)
        if not found:
            block = max(1, round(1000 * min(wait_s, LOOK_S)))
            await self.client.xread({STREAM: str(after)}, 1, block)
            found = await self._take_what_is_ours(group)
        events = [event for event in found if event.cursor > after and wanted.has(event)]
        self._taken[group] += [event.cursor for event in events]
        if passed := [str(event.cursor) for event in found if event not in events]:
            await self.client.xack(STREAM, group, *passed)
        return Batch(events, max([after, *(event.cursor for event in found)]))

    async def _take_what_is_ours(self, group: str) -> list[Event]:
        """Take what nobody has; a consumer that was taken for dead must not take any of it."""
        async with self.client.pipeline() as pipe:
            await pipe.watch(_holder(group))
            if await pipe.get(_holder(group)) != self.consumer:
                raise WatchError(f"another consumer reads for {group}")
            pipe.multi()
            pipe.xreadgroup(group, self.consumer, {STREAM: ">"}, LIMIT)
            return _events((await pipe.execute())[0], STREAM)

    async def _join(self, group: str, after: Cursor) -> list[Event]:
        """Make the group if it is not there; return what dead consumers have left, now ours."""
        try:
            await self.client.xgroup_create(STREAM, group, str(after))
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        await self.client.set(_holder(group), self.consumer)
        self._taken[group], found, start = [], [], "0-0"
        while True:
            # Whoever joins is the only one of its group: the others are dead, however lately.
            said = await self.client.xautoclaim(STREAM, group, self.consumer, 0, start, LIMIT)
            found += [_event(entry, STREAM) for entry in said[1] if entry[1]]
            if (start := said[0]) == "0-0":
                return found

    async def _goes_back_to(self, key: str, after: Cursor) -> bool:
        """Return whether Redis has all that came after a cursor, as far as it was relayed.

        A relay begins with the oldest event there is, so what was never cut has everything.
        """
        try:
            stream = await self.client.xinfo_stream(key)
        except ResponseError:  # there is none
            return False
        if key == STREAM and stream.get("entries-added") == stream["length"]:
            return True
        first = stream["first-entry"]
        return bool(first) and Cursor.parse(first[0]) <= after

    async def _try(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """Return what Redis says; None while it is down, which is said once."""
        now = asyncio.get_running_loop().time()
        if now < self._again_at:
            return None
        try:
            if not self._is_ours:
                await self.ensure_ours()
                self._is_ours = True
            said = await ask()
        except (RedisError, OSError, SettingsError) as error:
            self._taken.clear()
            self._is_ours, self._again_at = False, now + AGAIN_S
            self.warn(error)
            return None
        self._is_down = False
        return said

    def warn(self, error: Exception) -> None:
        """Say that Redis is of no use, once until it is again."""
        if not self._is_down:
            said = "Redis is of no use: events go by PostgreSQL, and are relayed when it is back"
            log.warning(said, error=str(error))
        self._is_down = True


def _holder(group: str) -> str:
    return f"{STREAM}:{group}"


def _fields(event: Event) -> dict[str, str]:
    return {
        "at": event.at.isoformat(),
        "correlation_id": event.correlation_id,
        "kind": event.kind,
        "body": json.dumps(event.body, ensure_ascii=False),
    }


def _events(streams: Any, key: str) -> list[Event]:
    return [_event(entry, key) for _, entries in streams or () for entry in entries]


def _event(entry: Any, key: str) -> Event:
    cursor, fields = entry
    return Event(
        Cursor.parse(cursor),
        datetime.fromisoformat(fields["at"]),
        fields["correlation_id"],
        fields["kind"],
        json.loads(fields["body"]),
        "" if key == STREAM else key,
    )
