"""What capabilities have been good for, counted from records since a time."""

from datetime import datetime
from typing import Any

from memory.database import Rows

# Each gives one row: `n` of what counts, and `said` about it.
MEASURES: dict[str, str] = {
    "cache": """
SELECT count(*) AS n, format('%%s answers served again, %%s USD and %%s s saved', count(*),
    round(sum(cost_usd), 4), round(sum(latency_s)::numeric, 1)) AS said
FROM served WHERE at > %(since)s""",
    "scout": """
SELECT count(*) AS n, format('%%s answers from the news', count(*)) AS said
FROM served WHERE at > %(since)s AND source = 'news'""",
    "war_room": """
SELECT count(*) AS n, format('%%s tasks answered by a meeting', count(*)) AS said FROM tasks
WHERE ended_at > %(since)s AND status = 'answered' AND EXISTS (
    SELECT FROM events WHERE correlation_id = tasks.id AND kind = 'stage.left'
                         AND body->>'stage' = 'ruling')""",
    "healing": """
SELECT count(*) AS n, format('%%s incidents healed', count(*)) AS said FROM opportunities
WHERE kind = 'incident' AND verdict = 'healed' AND closed_at > %(since)s""",
}
PROMOTED = """
SELECT count(*) AS n, format('%%s of %%s pairs won, %%s lost', sum(wins), sum(pairs), sum(losses))
    AS said
FROM trials WHERE kind = %(kind)s AND (%(subject)s = '' OR subject = %(subject)s)
              AND status = 'promoted' AND ended_at > %(since)s"""
TRIALS = {"planning": "plan", "prompts": "prompt"}
"""Capabilities whose own trials show what they are good for."""
ENDED = """
SELECT id, status = 'answered' AS is_right, coalesce(body->>'domain', '') AS domain FROM tasks
WHERE ended_at > %s AND status IN ('answered', 'failed') ORDER BY ended_at, id LIMIT 5000
"""


async def shown(connection: Rows, name: str, since: datetime) -> str | None:
    """Return in words what a capability was good for; None: nothing shows it."""
    given = {"kind": "capability", "subject": name, "since": since}
    asked: list[tuple[Any, Any]] = [(PROMOTED, given)]
    if name in TRIALS:
        asked.append((PROMOTED, given | {"kind": TRIALS[name], "subject": ""}))
    if name in MEASURES:
        asked.append((MEASURES[name], {"since": since}))
    for query, values in asked:
        row = await (await connection.execute(query, values)).fetchone()
        if row and row["n"]:
            return str(row["said"])
    return None


async def ended(connection: Rows, since: datetime) -> list[Any]:
    """Return how tasks went since then, in order: id, is_right, domain."""
    return await (await connection.execute(ENDED, [since])).fetchall()
