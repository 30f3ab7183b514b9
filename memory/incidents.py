"""Incidents among the opportunities: faults that were seen, what was done, and how it ended."""

from datetime import datetime

from psycopg.types.json import Jsonb

from agora.domain.contracts import Json
from memory.database import Row, Rows

KIND = "incident"
OPEN = """
INSERT INTO opportunities (id, kind, subject, priority, evidence)
VALUES (%(id)s, 'incident', %(subject)s, 'high', %(evidence)s)
ON CONFLICT (kind, subject) WHERE status <> 'closed' DO UPDATE SET evidence = EXCLUDED.evidence
RETURNING id
"""
CLOSE = """
UPDATE opportunities SET status = 'closed', verdict = %(verdict)s, evidence = %(evidence)s,
                         closed_at = clock_timestamp()
WHERE kind = 'incident' AND subject = %(subject)s AND status <> 'closed'
"""
LIVING = """
SELECT subject, evidence FROM opportunities WHERE kind = 'incident' AND status <> 'closed'
"""
# By the time that the looks went by, which may be simulated.
RECENT = """
SELECT count(*) AS incidents FROM opportunities
WHERE kind = 'incident' AND subject = %s
  AND (evidence->>'detected_at')::timestamptz > %s::timestamptz - interval '1 hour'
"""
NEWEST = """
SELECT subject, evidence, verdict, status FROM opportunities
WHERE kind = 'incident' ORDER BY created_at DESC LIMIT %s
"""


async def keep(connection: Rows, incident_id: str, subject: str, evidence: Json) -> None:
    """Write a living incident down as it stands."""
    row = {"id": incident_id, "subject": subject, "evidence": Jsonb(evidence)}
    await connection.execute(OPEN, row)


async def close(connection: Rows, subject: str, evidence: Json, verdict: str) -> None:
    """Say how an incident ended."""
    row = {"subject": subject, "evidence": Jsonb(evidence), "verdict": verdict}
    await connection.execute(CLOSE, row)


async def living(connection: Rows) -> list[Row]:
    """Return every incident that goes on."""
    return await (await connection.execute(LIVING)).fetchall()


async def recent(connection: Rows, subject: str, now: datetime) -> int:
    """Return how often this fault was an incident within an hour."""
    row = await (await connection.execute(RECENT, [subject, now])).fetchone()
    return int(row["incidents"]) if row else 0


async def newest(connection: Rows, limit: int) -> list[Row]:
    """Return the newest incidents."""
    return await (await connection.execute(NEWEST, [limit])).fetchall()
