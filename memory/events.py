"""The events table: the knowledge stream, written in the transaction that it tells of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from memory.database import UNFLUSHED, Row, Rows

PUBLISH = "INSERT INTO events (correlation_id, kind, body, channel) VALUES (%s, %s, %s, %s)"
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
ONCE = """
INSERT INTO events (correlation_id, kind, body) SELECT %(id)s, %(kind)s, %(body)s
WHERE NOT EXISTS (SELECT FROM events WHERE correlation_id = %(id)s AND kind = %(kind)s)
"""
IS_TOLD = """
SELECT FROM events WHERE correlation_id = %s AND kind = %s AND body->>'act' = %s LIMIT 1
"""
NOTE = f"""
WITH unflushed AS ({UNFLUSHED})
INSERT INTO events (correlation_id, kind, body, channel) SELECT %s, %s, %s, %s FROM unflushed
"""
# Certain is what no transaction still open can come before; see memory/folds.py.
CERTAIN = "xid < pg_snapshot_xmin(pg_current_snapshot())"
READ = f"""
SELECT xid, id, at, correlation_id, kind, body, channel FROM events
WHERE (xid, id) > (%(xid)s::xid8, %(id)s) AND {CERTAIN}
"""
NARROWED = {
    "channel": " AND channel = %(channel)s",
    "correlation_id": " AND correlation_id = %(correlation_id)s",
    "kinds": " AND kind = ANY(%(kinds)s)",
}
ENDING = " ORDER BY xid, id LIMIT %(limit)s"
END = f"SELECT xid, id FROM events WHERE {CERTAIN} ORDER BY xid DESC, id DESC LIMIT 1"
# As one value: two hundred rows would take the driver longer than all the rest of a stage.
# What names no tenant, such as a fault of a server, concerns everybody.
NEWEST = f"""
SELECT coalesce(json_agg(to_json(newest) ORDER BY newest.xid, newest.id), '[]') AS all FROM (
    SELECT xid, id, at, correlation_id, kind, body, channel FROM events
    WHERE kind = ANY(%(kinds)s) AND correlation_id NOT LIKE %(but)s AND channel = '' AND {CERTAIN}
      AND (body ->> 'tenant' IS NULL OR body ->> 'tenant' = %(tenant)s)
    ORDER BY xid DESC, id DESC LIMIT %(limit)s
) AS newest
"""
# A temporary channel is over some time after its last event.
OVER = """one.channel <> '' AND one.at < clock_timestamp() - %(channel)s
      AND NOT EXISTS (SELECT FROM events AS later WHERE later.channel = one.channel
                      AND later.at > clock_timestamp() - %(channel)s)"""
CLOSE = f"DELETE FROM events AS one WHERE {OVER}"
UNCERTAIN = f"SELECT EXISTS (SELECT FROM events WHERE NOT {CERTAIN}) AS is_there"


class Cursor(NamedTuple):
    """A place in the stream. Events are ordered by it; ids alone commit out of order."""

    xid: int = 0
    id: int = 0

    def __str__(self) -> str:
        """Say it as Redis and browsers say the ids of events."""
        return f"{self.xid}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Return the cursor that a text says, such as 831-42; raise ValueError."""
        xid, _, number = text.partition("-")
        return cls(int(xid), int(number))


@dataclass(frozen=True)
class Event:
    """One event, as it was published."""

    cursor: Cursor
    at: datetime
    correlation_id: str
    kind: str
    body: Any
    channel: str = ""


@dataclass(frozen=True)
class Wanted:
    """Which events somebody wants; None or empty: all."""

    channel: str | None = ""
    correlation_id: str | None = None
    kinds: Sequence[str] = ()

    def has(self, event: Event) -> bool:
        """Return whether an event is wanted."""
        return (
            self.channel in (None, event.channel)
            and self.correlation_id in (None, event.correlation_id)
            and (not self.kinds or event.kind in self.kinds)
        )


@dataclass(frozen=True)
class Batch:
    """What a reading has brought."""

    events: list[Event]
    end: Cursor  # everything wanted up to here was read
    is_unsettled: bool = False  # more is written, and will be certain in a moment


async def publish(
    connection: Rows, correlation_id: str, kind: str, body: Any, channel: str = ""
) -> None:
    """Add an event; nobody sees it before the transaction commits.

    What goes to a `channel`, such as room:ID, is kept for an hour and counts for no fold.
    """
    await connection.execute(PUBLISH, [correlation_id, kind, Jsonb(body), channel])
    connection.has_told = True


async def publish_once(connection: Rows, correlation_id: str, kind: str, body: Any) -> None:
    """Add an event unless there is one of its kind under this id."""
    await connection.execute(LOCK, [f"{correlation_id} {kind}"])
    await connection.execute(ONCE, {"id": correlation_id, "kind": kind, "body": Jsonb(body)})
    connection.has_told = True


async def is_told(connection: Rows, correlation_id: str, kind: str, act: str) -> bool:
    """Return whether an act was told before; until this transaction ends nobody else tells it."""
    await connection.execute(LOCK, [f"{act} {kind}"])
    return (await connection.execute(IS_TOLD, [correlation_id, kind, act])).rowcount == 1


async def note(
    connection: Rows, correlation_id: str, kind: str, body: Any, channel: str = ""
) -> None:
    """Add an event that stands alone, and need not outlive a crash of PostgreSQL."""
    await connection.execute(NOTE, [correlation_id, kind, Jsonb(body), channel])
    connection.has_told = True


async def newest(
    connection: Rows, kinds: Sequence[str], limit: int, *, but: str, tenant: str
) -> list[Event]:
    """Return the newest certain events that concern a tenant, oldest first, but of some cases."""
    given = {"kinds": list(kinds), "limit": limit, "but": f"{but}%", "tenant": tenant}
    found = await (await connection.execute(NEWEST, given)).fetchone()
    rows = found["all"] if found else []
    return [event_of(row | {"at": datetime.fromisoformat(row["at"])}) for row in rows]


async def read(connection: Rows, wanted: Wanted, after: Cursor, limit: int = 500) -> Batch:
    """Return the next events in order, and how far that is."""
    given: Row = {"channel": wanted.channel, "correlation_id": wanted.correlation_id}
    given |= {"kinds": list(wanted.kinds) or None}
    query = READ + "".join(NARROWED[name] for name, value in given.items() if value is not None)
    given |= {"xid": str(after.xid), "id": after.id, "limit": limit}
    # The end is asked for first: what becomes certain meanwhile must not be passed over.
    end = await certain_end(connection)
    unsettled = await (await connection.execute(UNCERTAIN)).fetchone()
    rows = await (await connection.execute(query + ENDING, given)).fetchall()
    events = [event_of(row) for row in rows]
    reached = events[-1].cursor if events else after
    if len(events) < limit:
        reached = max(reached, end)
    return Batch(events, reached, bool(unsettled and unsettled["is_there"]))


async def close_channels(connection: Rows, kept: timedelta) -> None:
    """Let temporary channels disappear whose last event is older than that."""
    await connection.execute(CLOSE, {"channel": kept})


async def certain_end(connection: Rows) -> Cursor:
    """Return the place of the newest event that is certain."""
    row = await (await connection.execute(END)).fetchone()
    return Cursor(int(row["xid"]), row["id"]) if row else Cursor()


def event_of(row: Row) -> Event:
    """Return the event that a row holds."""
    named = {name: row[name] for name in ("at", "correlation_id", "kind", "body", "channel")}
    return Event(Cursor(int(row["xid"]), row["id"]), **named)
