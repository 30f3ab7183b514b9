"""What was done since a moment, in counts: for a report of the day."""

from datetime import datetime
from typing import Any

from memory.database import Row, Rows

TASKS = """
SELECT status, count(*) AS tasks FROM tasks WHERE created_at >= %s AND id NOT LIKE '%%.%%'
GROUP BY status ORDER BY status
"""
ACTS = """
SELECT kind, count(*) AS acts, count(*) FILTER (WHERE status = 'failed') AS failed,
       sum(cost_usd)::float8 AS cost_usd
FROM acts WHERE began_at >= %s GROUP BY kind ORDER BY kind
"""
CHANGES = """
SELECT id, kind, title, subject, status, commit FROM changes
WHERE created_at >= %s AND status IN ('applied', 'reverted') ORDER BY created_at
"""
DENIED = """
SELECT seq, body::jsonb->>'action' AS action, body::jsonb->>'resource' AS resource
FROM decisions WHERE body LIKE '%%"verdict":"deny"%%' AND (body::jsonb->>'at')::timestamptz >= %s
ORDER BY seq DESC LIMIT 10
"""
UNSURE = """
SELECT id, outcome->>'expert' AS expert, (outcome->>'confidence')::float8 AS confidence
FROM tasks WHERE created_at >= %s AND status = 'answered'
  AND (outcome->>'confidence')::float8 < %s ORDER BY 3 LIMIT 5
"""
OPEN_ACTS = """
SELECT key FROM acts WHERE status = 'open' AND began_at < clock_timestamp() - interval '1 hour'
ORDER BY began_at LIMIT 5
"""


async def since(
    connection: Rows, moment: datetime, least_confidence: float
) -> dict[str, list[Row]]:
    """Return tasks by status, acts by kind, changes, denials and unsure answers since a moment."""
    wanted: dict[str, tuple[str, list[Any]]] = {
        "tasks": (TASKS, [moment]),
        "acts": (ACTS, [moment]),
        "changes": (CHANGES, [moment]),
        "denied": (DENIED, [moment]),
        "unsure": (UNSURE, [moment, least_confidence]),
        "open_acts": (OPEN_ACTS, []),
    }
    told = {}
    for name, (query, values) in wanted.items():
        told[name] = await (await connection.execute(query.encode(), values)).fetchall()
    return told
