"""The opportunities table: what could be better; at most one row alive per kind and subject."""

from collections.abc import Sequence

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
    ORDER BY (kind = 'alarm') DESC, (priority = 'high') DESC, (priority = 'low'), created_at
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
# Of one subject and its family of kinds only one is alive; who opens one holds off all others.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
ALIVE = f"""
SELECT {FIELDS} FROM opportunities
WHERE subject = %s AND kind = ANY(%s) AND status <> 'closed' FOR UPDATE
"""
BECOME = "UPDATE opportunities SET kind = %s, priority = %s WHERE id = %s AND status = 'open'"
SETTLED = """
SELECT evidence->>'seen' AS seen FROM opportunities
WHERE subject = %s AND kind = %s AND status = 'closed' AND verdict <> ALL(%s)
ORDER BY closed_at DESC LIMIT 1
"""
UNDER = f"""
SELECT {FIELDS}, claimed_by, verdict FROM opportunities
WHERE starts_with(subject, %s) AND status = %s ORDER BY created_at
"""
# What nobody was told of; a cycle that was killed in between tells it later.
UNTOLD = f"""
SELECT {FIELDS}, verdict FROM opportunities
WHERE starts_with(subject, %s) AND NOT evidence ? 'told'
  AND status = 'closed' AND verdict = ANY(%s)
ORDER BY created_at
"""
FAIL = """
UPDATE opportunities SET
    status = CASE WHEN %(trouble)s >= %(most)s THEN 'closed' ELSE status END,
    verdict = CASE WHEN %(trouble)s >= %(most)s THEN 'failed' END,
    closed_at = CASE WHEN %(trouble)s >= %(most)s THEN clock_timestamp() END,
    evidence = evidence || jsonb_build_object('trouble', %(trouble)s::int, 'error', %(error)s::text)
WHERE id = %(id)s AND status = 'claimed' AND claimed_by = %(thread)s
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


async def open_pressing(connection: Rows, found: Opportunity, family: Sequence[str]) -> bool:
    """Write an opportunity down unless its subject has one of the same family; return if it is new.

    `family` lists kinds, the most pressing first: what is open becomes the more pressing kind, and
    what somebody works on only learns the evidence.
    """
    await connection.execute(LOCK, [f"opportunity {found.subject}"])
    alive = await (await connection.execute(ALIVE, [found.subject, list(family)])).fetchone()
    if alive is None:
        await open_one(connection, found)
        return True
    if alive["status"] == "open" and family.index(found.kind) <= family.index(alive["kind"]):
        await connection.execute(BECOME, [found.kind, found.priority, alive["id"]])
    await add_evidence(connection, alive["id"], found.evidence)
    return False


async def settled_as(connection: Rows, found: Opportunity, unless: Sequence[str]) -> str | None:
    """Return what was seen when the last one of its kind was closed, and not with these verdicts.

    None: there is no such one.
    """
    given = [found.subject, found.kind, list(unless)]
    row = await (await connection.execute(SETTLED, given)).fetchone()
    return str(row["seen"]) if row else None


async def under(connection: Rows, prefix: str, status: str) -> list[Row]:
    """Return those of a status whose subject begins with `prefix`, with who has claimed them."""
    return await (await connection.execute(UNDER, [prefix, status])).fetchall()


async def untold(connection: Rows, prefix: str, verdicts: Sequence[str]) -> list[Row]:
    """Return what was closed with these verdicts, and nobody was told of."""
    return await (await connection.execute(UNTOLD, [prefix, list(verdicts)])).fetchall()


async def fail(connection: Rows, row: Row, error: str, most: int) -> None:
    """Note that the run which works on it has failed; after so many times it is given up."""
    trouble = row["evidence"].get("trouble", 0) + 1
    given = {"id": row["id"], "thread": row["claimed_by"], "error": error}
    await connection.execute(FAIL, given | {"most": most, "trouble": trouble})


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
