"""The events table: the knowledge stream, written in the transaction that it tells of."""

from typing import Any

from psycopg.types.json import Jsonb

from memory.database import UNFLUSHED, Row, Rows

PUBLISH = "INSERT INTO events (correlation_id, kind, body) VALUES (%s, %s, %s)"
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
ONCE = """
INSERT INTO events (correlation_id, kind, body) SELECT %(id)s, %(kind)s, %(body)s
WHERE NOT EXISTS (SELECT FROM events WHERE correlation_id = %(id)s AND kind = %(kind)s)
"""
NOTE = f"""
WITH unflushed AS ({UNFLUSHED})
INSERT INTO events (correlation_id, kind, body) SELECT %s, %s, %s FROM unflushed
"""
# As one value: two hundred rows would take the driver longer than all the rest of a stage.
NEWEST = """
SELECT coalesce(json_agg(json_build_object('kind', kind, 'body', body) ORDER BY id), '[]') AS all
FROM (SELECT id, kind, body FROM events WHERE kind = ANY(%s) ORDER BY id DESC LIMIT %s) AS newest
"""


async def publish(connection: Rows, correlation_id: str, kind: str, body: Any) -> None:
    """Add an event; nobody sees it before the transaction commits."""
    await connection.execute(PUBLISH, [correlation_id, kind, Jsonb(body)])


async def publish_once(connection: Rows, correlation_id: str, kind: str, body: Any) -> None:
    """Add an event unless there is one of its kind under this id."""
    await connection.execute(LOCK, [f"{correlation_id} {kind}"])
    await connection.execute(ONCE, {"id": correlation_id, "kind": kind, "body": Jsonb(body)})


async def note(connection: Rows, correlation_id: str, kind: str, body: Any) -> None:
    """Add an event that stands alone, and need not outlive a crash of PostgreSQL."""
    await connection.execute(NOTE, [correlation_id, kind, Jsonb(body)])


async def newest(connection: Rows, kinds: list[str], limit: int) -> list[Row]:
    """Return `kind` and `body` of the newest events of some kinds, oldest first."""
    row = await (await connection.execute(NEWEST, [kinds, limit])).fetchone()
    return list(row["all"]) if row else []
