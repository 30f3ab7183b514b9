"""The answers table: what may be said again to the same question in the same scope."""

from datetime import timedelta

from psycopg.types.json import Jsonb

from agora.domain.contracts import AgentOutcome
from memory.database import UNFLUSHED, Row, Rows

KEEP = f"""
WITH unflushed AS ({UNFLUSHED})
INSERT INTO answers (scope, question, outcome, task_id, expires_at)
SELECT %s, %s, %s, %s, clock_timestamp() + %s FROM unflushed
ON CONFLICT (scope, question) DO UPDATE SET outcome = EXCLUDED.outcome,
    task_id = EXCLUDED.task_id, created_at = clock_timestamp(), expires_at = EXCLUDED.expires_at
WHERE answers.expires_at < clock_timestamp()
"""
FIND = f"""
WITH unflushed AS ({UNFLUSHED})
UPDATE answers SET hits = hits + 1 FROM unflushed
WHERE scope = %s AND question = %s AND expires_at > clock_timestamp()
RETURNING outcome, task_id, created_at
"""


async def keep(
    connection: Rows,
    scope: str,
    question: str,
    outcome: AgentOutcome,
    task_id: str,
    life: timedelta,
) -> None:
    """Store an answer, unless a living one is there."""
    await connection.execute(KEEP, [scope, question, Jsonb(outcome.as_json()), task_id, life])


async def find(connection: Rows, scope: str, question: str) -> Row | None:
    """Return a living answer and count the hit, or None."""
    return await (await connection.execute(FIND, [scope, question])).fetchone()
