"""The solutions table: abstracted fixes that a person has accepted, and what follows from them."""

from typing import Any

from psycopg.types.json import Jsonb

from agora.domain.contracts import Json
from memory.database import Row, Rows

# One that was taken back teaches nothing.
LESSONS = """
SELECT lesson FROM solutions JOIN changes ON changes.id = change_id
WHERE changes.status <> 'reverted' ORDER BY solutions.at DESC LIMIT %s
"""
NEWEST = """
SELECT instinct FROM solutions JOIN changes ON changes.id = change_id
WHERE changes.status <> 'reverted' ORDER BY solutions.at DESC LIMIT 1
"""
ADD = """
INSERT INTO solutions
    (change_id, operator, context, exception, candidates, until_first, lesson, instinct)
VALUES (%(change_id)s, %(operator)s, %(context)s, %(exception)s, %(candidates)s, %(until_first)s,
        %(lesson)s, %(instinct)s)
ON CONFLICT DO NOTHING
"""
LISTED = """
SELECT operator, context, exception, count(*) AS fixes,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY until_first) AS until_first
FROM solutions JOIN changes ON changes.id = change_id WHERE changes.status <> 'reverted'
GROUP BY operator, context, exception ORDER BY fixes DESC, operator, context
"""
REFUSED = """
SELECT changes.subject, changes.diff, changes.status, coalesce(approvals.reason, '') AS reason
FROM changes LEFT JOIN approvals ON approvals.change_id = changes.id
WHERE workspace = %s AND takes_back = '' AND status IN ('rejected', 'reverted')
ORDER BY changes.created_at DESC LIMIT 100
"""
# A change that nobody has answered in time says nothing.
ANSWERED = """
SELECT changes.status, coalesce(evidence -> 'solution' ->> 'operator', '') AS operator
FROM changes LEFT JOIN approvals ON approvals.change_id = changes.id
WHERE workspace = %s AND takes_back = '' AND status IN ('applied', 'rejected', 'reverted')
  AND evidence ? 'solution' AND approvals.by IS DISTINCT FROM 'expiry'
ORDER BY changes.created_at DESC LIMIT %s
"""
RATE = """
SELECT count(*) AS attempted, count(*) FILTER (WHERE verdict = 'fixed') AS deployed FROM (
    SELECT verdict FROM opportunities WHERE status = 'closed'
      AND kind IN ('failing_tests', 'failing_tool', 'predicted_fault')
      AND verdict IN ('fixed', 'not_found', 'rejected')
    ORDER BY closed_at DESC LIMIT %s
) AS newest
"""
FAILED = """
SELECT title, evidence ->> 'failed' AS why, diff FROM changes
WHERE opportunity_id = %s AND status = 'failed' ORDER BY created_at DESC LIMIT 3
"""


async def lessons(connection: Rows, limit: int) -> list[Json]:
    """Return what the newest searches teach whose fix was accepted, and not taken back."""
    rows = await (await connection.execute(LESSONS, [limit])).fetchall()
    return [row["lesson"] for row in rows]


async def instinct(connection: Rows) -> Json | None:
    """Return the weights that were learnt last; None before the first fix."""
    row = await (await connection.execute(NEWEST)).fetchone()
    return row["instinct"] if row else None


async def add(connection: Rows, found: Json) -> None:
    """Keep an accepted fix, once."""
    stored: dict[str, Any] = {name: Jsonb(found[name]) for name in ("lesson", "instinct")}
    await connection.execute(ADD, found | stored)


async def listed(connection: Rows) -> list[Row]:
    """Return how often which edit in which context has mended which exception."""
    return await (await connection.execute(LISTED)).fetchall()


async def refused(connection: Rows, workspace: str) -> list[Row]:
    """Return what people have rejected in a workspace, or watches taken back, newest first."""
    return await (await connection.execute(REFUSED, [workspace])).fetchall()


async def answered(connection: Rows, workspace: str, newest: int) -> list[Row]:
    """Return status and operator of the newest fixes that were answered, newest first."""
    return await (await connection.execute(ANSWERED, [workspace, newest])).fetchall()


async def failed(connection: Rows, opportunity_id: str) -> list[Row]:
    """Return the changes of an opportunity that the gate has refused, with the reason."""
    return await (await connection.execute(FAILED, [opportunity_id])).fetchall()


async def rate(connection: Rows, newest: int) -> tuple[int, int]:
    """Return how many of the newest repairs were attempted, and deployed."""
    row = await (await connection.execute(RATE, [newest])).fetchone()
    return (int(row["attempted"]), int(row["deployed"])) if row else (0, 0)
