"""What capabilities have been good for, counted from records since a time."""

from collections.abc import Mapping
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
SELECT count(*) AS n, format('%%s tasks answered by a meeting', count(*)) AS said
FROM rooms JOIN tasks USING (id) WHERE ended_at > %(since)s AND status = 'answered'""",
    "healing": """
SELECT count(*) AS n, format('%%s incidents healed', count(*)) AS said FROM opportunities
WHERE kind = 'incident' AND verdict = 'healed' AND closed_at > %(since)s""",
}
PROMOTED = """
SELECT name, format('%%s of %%s pairs won, %%s lost', sum(wins), sum(pairs), sum(losses)) AS said
FROM unnest(%(names)s::text[], %(kinds)s::text[], %(since)s::timestamptz[])
         AS one (name, kind, since)
     JOIN trials ON status = 'promoted' AND ended_at > since
         AND (trials.kind = one.kind OR (trials.kind = 'capability' AND subject = name))
GROUP BY name"""
TRIALS = {"planning": "plan", "prompts": "prompt"}
"""Capabilities whose own trials show what they are good for."""
ENDED = """
SELECT id, status = 'answered' AS is_right, coalesce(body->>'domain', '') AS domain FROM tasks
WHERE ended_at > %s AND status IN ('answered', 'failed') ORDER BY ended_at, id LIMIT 5000
"""


async def shown(connection: Rows, since: Mapping[str, datetime]) -> dict[str, str]:
    """Return in words what these capabilities were good for; left out: nothing shows it."""
    kinds = [TRIALS.get(name) for name in since]
    given = {"names": list(since), "kinds": kinds, "since": list(since.values())}
    found = await (await connection.execute(PROMOTED, given)).fetchall()
    told = {str(row["name"]): str(row["said"]) for row in found}
    for name in MEASURES.keys() & (since.keys() - told.keys()):
        query: Any = MEASURES[name]
        row = await (await connection.execute(query, {"since": since[name]})).fetchone()
        if row and row["n"]:
            told[name] = str(row["said"])
    return told


async def ended(connection: Rows, since: datetime) -> list[Any]:
    """Return how tasks went since then, in order: id, is_right, domain."""
    return await (await connection.execute(ENDED, [since])).fetchall()
