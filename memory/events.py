"""The events table: the knowledge stream, written in the transaction that it tells of."""

from typing import Any

from psycopg.types.json import Jsonb

from memory.database import Row, Rows

PUBLISH = "INSERT INTO events (correlation_id, kind, body) VALUES (%s, %s, %s)"
NEWEST = """
SELECT * FROM (SELECT id, at, correlation_id, kind, body FROM events
               WHERE kind = ANY(%s) ORDER BY id DESC LIMIT %s) AS newest ORDER BY id
"""
OF_A_CASE = """
SELECT id, at, kind, body FROM events
WHERE correlation_id = %s AND id > %s ORDER BY id
"""


async def publish(connection: Rows, correlation_id: str, kind: str, body: Any) -> None:
    """Add an event; nobody sees it before the transaction commits."""
    await connection.execute(PUBLISH, [correlation_id, kind, Jsonb(body)])


async def newest(connection: Rows, kinds: list[str], limit: int) -> list[Row]:
    """Return the newest events of some kinds, oldest first."""
    return await (await connection.execute(NEWEST, [kinds, limit])).fetchall()


async def of_case(connection: Rows, correlation_id: str, after: int = 0) -> list[Row]:
    """Return what happened to one task or improvement since event `after`, in order."""
    return await (await connection.execute(OF_A_CASE, [correlation_id, after])).fetchall()
