"""The trials table: what challenges what, on which tasks, and how it went."""

from psycopg.types.json import Jsonb

from agora.domain.contracts import Json
from memory.database import Row, Rows

OPEN = """
INSERT INTO trials (id, kind, subject, candidate) VALUES (%s, %s, %s, %s)
ON CONFLICT (kind, subject) WHERE status = 'running' DO UPDATE SET kind = EXCLUDED.kind
RETURNING id
"""
NEWEST = """
SELECT * FROM trials WHERE kind = %s AND subject = %s
ORDER BY (status = 'running') DESC, began_at DESC LIMIT 1
"""
LOCK = "SELECT * FROM trials WHERE id = %s FOR UPDATE"
FIND = "SELECT * FROM trials WHERE id = %s"
LISTED = """
SELECT * FROM trials WHERE %(kind)s::text IS NULL OR kind = %(kind)s ORDER BY began_at
"""
ADD = """
INSERT INTO trial_outcomes (trial_id, task_id, incumbent, candidate) VALUES (%s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""
UNPROVED = """
SELECT DISTINCT ON (candidate->>'model') candidate->>'model' AS model, subject, status FROM trials
WHERE kind = 'model' ORDER BY candidate->>'model', began_at DESC
"""
TURN = """
UPDATE trial_outcomes SET candidate = %(right)s
WHERE trial_id = %(trial)s AND task_id = %(task)s AND incumbent IS NULL AND candidate <> %(right)s
"""
COUNT = """
UPDATE trials SET pairs = pairs + 1, wins = wins + %(win)s, losses = losses + %(loss)s,
                  right_ones = right_ones + %(right)s
WHERE id = %(id)s RETURNING *
"""
WATCHED = "UPDATE trials SET watched = %s WHERE id = %s"
END = """
UPDATE trials SET status = %(status)s, ended_at = clock_timestamp()
WHERE id = %(id)s AND status = ANY(%(before)s)
"""
OUTCOMES = """
SELECT task_id, incumbent, candidate, at FROM trial_outcomes WHERE trial_id = %s ORDER BY at
"""


async def open_one(
    connection: Rows, trial_id: str, kind: str, subject: str, candidate: Json
) -> str:
    """Begin a trial, unless one of this kind and subject runs; return the id of what runs."""
    row = [trial_id, kind, subject, Jsonb(candidate)]
    stored = await (await connection.execute(OPEN, row)).fetchone()
    assert stored is not None
    return str(stored["id"])


async def newest(connection: Rows, kind: str, subject: str) -> Row | None:
    """Return the running trial of a subject, else its last one, else None."""
    return await (await connection.execute(NEWEST, [kind, subject])).fetchone()


async def find(connection: Rows, trial_id: str) -> Row | None:
    """Return a trial, or None."""
    return await (await connection.execute(FIND, [trial_id])).fetchone()


async def lock(connection: Rows, trial_id: str) -> Row | None:
    """Return a trial that nobody else counts for until the transaction ends, or None."""
    return await (await connection.execute(LOCK, [trial_id])).fetchone()


async def listed(connection: Rows, kind: str | None = None) -> list[Row]:
    """Return all trials, or those of a kind, oldest first."""
    return await (await connection.execute(LISTED, {"kind": kind})).fetchall()


async def add(
    connection: Rows, trial_id: str, task_id: str, incumbent: bool | None, candidate: bool
) -> bool:
    """Keep how a task went; return False: it was kept before."""
    row = [trial_id, task_id, incumbent, candidate]
    return (await connection.execute(ADD, row)).rowcount == 1


async def unproved(connection: Rows) -> dict[str, str]:
    """Return the models that have yet to win a trial, each with the one that it is tried beside."""
    rows = await (await connection.execute(UNPROVED)).fetchall()
    return {row["model"]: row["subject"] for row in rows if row["status"] != "promoted"}


async def turn(connection: Rows, trial_id: str, task_id: str, is_right: bool) -> bool:
    """Correct an outcome after the promotion; return False: there is none, or it said the same."""
    row = {"trial": trial_id, "task": task_id, "right": is_right}
    return (await connection.execute(TURN, row)).rowcount == 1


async def count(connection: Rows, trial_id: str, incumbent: bool, candidate: bool) -> Row:
    """Count one pair; return the trial as it is now."""
    told = {"id": trial_id, "right": int(candidate)}
    told |= {"win": int(candidate and not incumbent), "loss": int(incumbent and not candidate)}
    row = await (await connection.execute(COUNT, told)).fetchone()
    assert row is not None
    return row


async def watched(connection: Rows, trial_id: str, total: float) -> None:
    """Keep the sum of a promoted candidate's watch."""
    await connection.execute(WATCHED, [total, trial_id])


async def end(connection: Rows, trial_id: str, status: str, *before: str) -> bool:
    """Say how a trial ended, if it is in one of the states `before`; return whether it was."""
    told = {"id": trial_id, "status": status, "before": list(before)}
    return (await connection.execute(END, told)).rowcount == 1


async def outcomes(connection: Rows, trial_id: str) -> list[Row]:
    """Return how each task of a trial went, oldest first."""
    return await (await connection.execute(OUTCOMES, [trial_id])).fetchall()
