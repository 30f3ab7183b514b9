"""The rooms table: minutes of war rooms, and what was shown to be right afterwards."""

from typing import Any

from psycopg.types.json import Jsonb

from memory.database import Row, Rows

KEEP = """
INSERT INTO rooms (id, thread_id, domain, minutes) VALUES (%s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""
FIND = """
SELECT id, thread_id, domain, minutes, ruled_at, truth, judged_at FROM rooms WHERE id = %s
"""
JUDGE = """
UPDATE rooms SET truth = %s, judged_at = clock_timestamp()
WHERE id = %s AND judged_at IS NULL RETURNING domain, minutes
"""
STAGES = ("vote", "evidence", "judging")
# A question that was asked again after a crash was paid again, so it counts again.
SPENT = """
SELECT coalesce(sum(attempt), 0)::int AS calls, coalesce(sum(tokens), 0)::bigint AS tokens,
       coalesce(sum(cost_usd + reserved_usd), 0)::float8 AS cost_usd
FROM acts WHERE case_id = %(id)s AND kind = 'ask_model'
  AND substr(key, length(case_id) + 2) LIKE ANY(%(stages)s)
"""


async def keep(connection: Rows, room_id: str, thread_id: str, domain: str, minutes: Any) -> bool:
    """Store the minutes of a meeting, or return False: they are there already."""
    row = [room_id, thread_id, domain, Jsonb(minutes)]
    return (await connection.execute(KEEP, row)).rowcount == 1


async def find(connection: Rows, room_id: str) -> Row | None:
    """Return a meeting that has ruled, or None."""
    return await (await connection.execute(FIND, [room_id])).fetchone()


async def judge(connection: Rows, room_id: str, truth: str) -> Row | None:
    """Write down what was right, and return the meeting; None when that was known before."""
    return await (await connection.execute(JUDGE, [truth, room_id])).fetchone()


async def spent(connection: Rows, room_id: str) -> Row:
    """Return what a meeting has used up so far: `calls`, `tokens`, `cost_usd` with reservations."""
    given = {"id": room_id, "stages": [f"{stage}/%" for stage in STAGES]}
    row = await (await connection.execute(SPENT, given)).fetchone()
    assert row is not None
    return row
