"""The other_ways table: which ended tasks a trial of ways has taken, each of them once."""

from collections.abc import Iterable
from datetime import timedelta

from memory.database import Row, Rows

# Whoever takes a task and dies has taken it for all: a sample less, and nothing paid twice.
TAKE = """
WITH taken AS (
    INSERT INTO other_ways (task_id)
    SELECT id FROM tasks
    WHERE status = 'answered' AND created_at > clock_timestamp() - %(since)s
      AND strpos(id, '.') = 0 AND abs(hashtext(id)) %% 1000 < %(share)s
      AND outcome ->> 'model' IS NOT NULL AND NOT (outcome ->> 'cached')::boolean
      AND outcome -> 'tool_calls' = '[]' AND NOT body -> 'labels' ?| %(without)s
      AND NOT EXISTS (SELECT FROM other_ways WHERE task_id = tasks.id)
    ORDER BY created_at, id LIMIT %(most)s
    ON CONFLICT DO NOTHING RETURNING task_id
)
SELECT body, outcome FROM tasks JOIN taken ON taken.task_id = tasks.id ORDER BY created_at
"""


async def take(
    connection: Rows, since: timedelta, share: float, without: Iterable[str], most: int
) -> list[Row]:
    """Return answered tasks of the last while, a share of all: this caller alone has them now."""
    wanted = {"since": since, "share": round(1000 * share), "without": list(without)}
    return await (await connection.execute(TAKE, wanted | {"most": most})).fetchall()
