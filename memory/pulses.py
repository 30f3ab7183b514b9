"""The pulses table: what the team did for a tenant, in few words, and from which events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from agora.domain.contracts import Json
from memory.database import Row, Rows
from memory.events import Cursor

KEEP = """
INSERT INTO pulses (tenant, at, text, author, labels, sources, xid, event)
VALUES (%(tenant)s, %(at)s, %(text)s, %(author)s, %(labels)s, %(sources)s,
        %(xid)s::xid8, %(event)s)
ON CONFLICT (tenant, xid, event) DO UPDATE SET text = EXCLUDED.text, author = EXCLUDED.author,
    at = EXCLUDED.at WHERE EXCLUDED.author <> 'events'
"""
NEWEST = "SELECT * FROM pulses WHERE tenant = %s ORDER BY xid DESC, event DESC LIMIT 1"
AT_WORK = """
SELECT stage, count(*) AS runs FROM claims
WHERE NOT is_open AND expires_at > clock_timestamp() GROUP BY stage
"""


@dataclass(frozen=True)
class Pulse:
    """One pulse; `author` is the bidder that wrote it, or "events" where they say it themselves."""

    tenant: str
    at: datetime
    text: str
    author: str
    labels: Sequence[str]
    sources: Json  # "events": their ids, "tasks": the ids of their tasks
    cursor: Cursor  # the newest event that it takes in


async def keep(connection: Rows, pulse: Pulse) -> None:
    """Store a pulse; what a model has written replaces what the events say by themselves."""
    row: Row = {name: getattr(pulse, name) for name in ("tenant", "at", "text", "author")}
    row |= {"labels": list(pulse.labels), "sources": Jsonb(pulse.sources)}
    row |= {"xid": str(pulse.cursor.xid), "event": pulse.cursor.id}
    await connection.execute(KEEP, row)


async def newest(connection: Rows, tenant: str) -> Pulse | None:
    """Return a tenant's newest pulse, or None before the first one."""
    row = await (await connection.execute(NEWEST, [tenant])).fetchone()
    if row is None:
        return None
    named = {name: row[name] for name in ("tenant", "at", "text", "author", "labels", "sources")}
    return Pulse(**named, cursor=Cursor(int(row["xid"]), row["event"]))


async def at_work(connection: Rows) -> dict[str, int]:
    """Return how many runs are in each stage now."""
    rows = await (await connection.execute(AT_WORK)).fetchall()
    return {row["stage"]: int(row["runs"]) for row in rows}
