"""What waits in the queue of background jobs, and when a worker last ticked."""

from memory.database import Row, Rows

DEPTH = """
SELECT count(*) FILTER (WHERE status = 'todo'
                        AND coalesce(scheduled_at, now()) <= now()) AS waiting,
       count(*) FILTER (WHERE status = 'doing') AS doing
FROM procrastinate_jobs WHERE status IN ('todo', 'doing')
"""
TICKED = """
SELECT extract(epoch FROM now())::float8 - max(defer_timestamp)::float8 AS age_s
FROM procrastinate_periodic_defers
"""
WORKERS = "SELECT count(*) AS workers FROM procrastinate_workers"
SILENT = """
SELECT count(*) AS workers FROM procrastinate_workers
WHERE last_heartbeat < now() - make_interval(secs => %s)
"""


async def depth(connection: Rows) -> Row:
    """Return how many jobs are due and wait, and how many are being done."""
    row = await (await connection.execute(DEPTH)).fetchone()
    assert row is not None
    return row


async def ticked(connection: Rows) -> float | None:
    """Return the seconds since a scheduler last put a job in line; None: it never has."""
    row = await (await connection.execute(TICKED)).fetchone()
    return None if row is None or row["age_s"] is None else float(row["age_s"])


async def workers(connection: Rows) -> int:
    """Return how many workers are registered."""
    row = await (await connection.execute(WORKERS)).fetchone()
    return int(row["workers"]) if row else 0


async def silent(connection: Rows, seconds: float) -> int:
    """Return how many workers have given no sign of life for so long."""
    row = await (await connection.execute(SILENT, [seconds])).fetchone()
    return int(row["workers"]) if row else 0
