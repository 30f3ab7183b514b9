"""The opportunities table: what could be better; at most one row alive per kind and subject."""

from psycopg.types.json import Jsonb

from agora.domain.contracts import Json, Opportunity
from memory.database import Row, Rows

OPEN = """
INSERT INTO opportunities (id, kind, subject, priority, evidence)
VALUES (%(id)s, %(kind)s, %(subject)s, %(priority)s, %(evidence)s)
ON CONFLICT (kind, subject) WHERE status <> 'closed' DO UPDATE
    SET evidence = opportunities.evidence || EXCLUDED.evidence, priority = EXCLUDED.priority
RETURNING id
"""
FIELDS = "id, kind, subject, priority, evidence, status"
# The thread that claimed it finds it again after a crash; others get it once it is given back.
CLAIM = f"""
UPDATE opportunities SET status = 'claimed', claimed_by = %(thread)s
WHERE id = (
    SELECT id FROM opportunities
    WHERE kind = ANY(%(kinds)s) AND starts_with(subject, %(under)s)
      AND (status = 'open' OR status = 'claimed' AND claimed_by = %(thread)s)
    ORDER BY (kind = 'alarm') DESC, (priority = 'high') DESC, created_at
    LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING {FIELDS}
"""
CLOSE = """
UPDATE opportunities SET status = 'closed', verdict = %s, closed_at = clock_timestamp()
WHERE id = %s AND status <> 'closed'
"""
FIND = f"SELECT {FIELDS} FROM opportunities WHERE id = %s"
ADD = "UPDATE opportunities SET evidence = evidence || %s WHERE id = %s"
REOPEN = """
UPDATE opportunities SET status = 'open', claimed_by = NULL WHERE id = %s AND status = 'claimed'
"""
LIVING = (
    f"SELECT {FIELDS}, created_at FROM opportunities WHERE status <> 'closed' ORDER BY created_at"
)


async def open_one(connection: Rows, found: Opportunity) -> str:
    """Write an opportunity down, or refresh the living one of its subject; return its id."""
    row = found.model_dump(include={"id", "kind", "subject", "priority"})
    row |= {"evidence": Jsonb(found.evidence)}
    stored = await (await connection.execute(OPEN, row)).fetchone()
    assert stored is not None
    return str(stored["id"])


async def claim(
    connection: Rows, thread_id: str, kinds: list[str], under: str
) -> Opportunity | None:
    """Return the most pressing one of these kinds whose subject begins with `under`, now ours."""
    wanted = {"thread": thread_id, "kinds": kinds, "under": under}
    row = await (await connection.execute(CLAIM, wanted)).fetchone()
    return Opportunity.model_validate(row) if row else None


async def find(connection: Rows, opportunity_id: str) -> Row | None:
    """Return an opportunity, or None."""
    return await (await connection.execute(FIND, [opportunity_id])).fetchone()


async def add_evidence(connection: Rows, opportunity_id: str, evidence: Json) -> None:
    """Add what was found out about an opportunity."""
    await connection.execute(ADD, [Jsonb(evidence), opportunity_id])


async def close(connection: Rows, opportunity_id: str, verdict: str) -> None:
    """Say how it ended: fixed, not_found, rejected, reverted, …"""
    await connection.execute(CLOSE, [verdict, opportunity_id])


async def reopen(connection: Rows, opportunity_id: str) -> None:
    """Give a claimed one back."""
    await connection.execute(REOPEN, [opportunity_id])


async def living(connection: Rows) -> list[Row]:
    """Return all that are open or claimed, oldest first."""
    return await (await connection.execute(LIVING)).fetchall()
