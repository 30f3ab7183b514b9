"""Aegra's tables in our database: the runs that were asked for over the LangGraph protocol.

Aegra tells them by `runs` and `thread` alone, and nobody but the server that began a run brings
its row up to date. Where Aegra never ran the tables are missing, and nothing is served.
"""

from datetime import timedelta

from psycopg.types.json import Jsonb

from agora.domain.contracts import Json
from memory.database import Row, Rows

IS_THERE = """
SELECT to_regclass('runs') IS NOT NULL AND to_regclass('thread') IS NOT NULL AS is_there
"""
# The oldest one: runs of a thread come one after another, and a newer one has not begun.
SETTLE = """
WITH ended AS (
    SELECT run_id FROM runs WHERE thread_id = %(thread_id)s AND status IN ('pending', 'running')
      AND (updated_at < clock_timestamp() - %(lease)s OR EXISTS (
          SELECT FROM checkpoints AS point WHERE point.thread_id = runs.thread_id
            AND point.metadata->>'run_id' = runs.run_id))
    ORDER BY created_at LIMIT 1
), settled AS (
    UPDATE runs SET status = %(run)s, output = %(output)s, error_message = %(error)s,
        updated_at = clock_timestamp()
    FROM ended WHERE runs.run_id = ended.run_id RETURNING runs.run_id
)
UPDATE thread SET status = %(thread)s, updated_at = clock_timestamp()
FROM settled WHERE thread.thread_id = %(thread_id)s AND NOT EXISTS (
    SELECT FROM runs WHERE runs.thread_id = %(thread_id)s AND runs.run_id <> settled.run_id
      AND status IN ('pending', 'running'))
"""
LAST = "SELECT status FROM runs WHERE thread_id = %s ORDER BY created_at DESC LIMIT 1"
# A run whose server lives has a claim, or is younger than a lease.
LOST = """
SELECT run_id, runs.thread_id, graph_id, input, EXISTS (
    SELECT FROM checkpoints AS point WHERE point.thread_id = runs.thread_id
      AND point.metadata->>'run_id' = runs.run_id) AS has_begun
FROM runs JOIN assistant USING (assistant_id)
WHERE status IN ('pending', 'running') AND runs.updated_at < clock_timestamp() - %s
  AND NOT EXISTS (SELECT FROM claims WHERE claims.thread_id = runs.thread_id)
ORDER BY runs.created_at
"""
# Aegra writes of a run and of its thread one after the other: a server may die in between.
LEFT_BUSY = """
SELECT thread_id, metadata_json->>'graph_id' AS graph_id FROM thread
WHERE status = 'busy' AND updated_at < clock_timestamp() - %s
  AND NOT EXISTS (SELECT FROM claims WHERE claims.thread_id = thread.thread_id)
  AND NOT EXISTS (SELECT FROM runs WHERE runs.thread_id = thread.thread_id
                    AND status IN ('pending', 'running'))
"""
FREE = """
UPDATE thread SET status = %(thread)s, updated_at = clock_timestamp()
WHERE thread_id = %(thread_id)s AND status = 'busy' AND NOT EXISTS (
    SELECT FROM runs WHERE runs.thread_id = %(thread_id)s AND status IN ('pending', 'running'))
"""
FIND = "SELECT status, output, error_message FROM runs WHERE thread_id = %s AND run_id = %s"


async def is_there(connection: Rows) -> bool:
    """Return whether this database has ever been served from."""
    row = await (await connection.execute(IS_THERE)).fetchone()
    return bool(row and row["is_there"])


async def settle(
    connection: Rows,
    thread_id: str,
    run: str,
    thread: str,
    output: Json,
    error: str | None,
    lease: timedelta,
) -> None:
    """Tell callers how the run of a thread has ended that its server has lost, if there is one."""
    if await is_there(connection):
        row: Row = {"thread_id": thread_id, "run": run, "thread": thread, "error": error}
        row |= {"output": Jsonb(output), "lease": lease}
        await connection.execute(SETTLE, row)


async def last_status(connection: Rows, thread_id: str) -> str | None:
    """Return what Aegra says of the newest run on a thread; None where it knows of none."""
    if not await is_there(connection):
        return None
    row = await (await connection.execute(LAST, [thread_id])).fetchone()
    return str(row["status"]) if row else None


async def lost(connection: Rows, lease: timedelta) -> list[Row]:
    """Return each run that was accepted and that nobody works on, oldest first."""
    if not await is_there(connection):
        return []
    return await (await connection.execute(LOST, [lease])).fetchall()


async def left_busy(connection: Rows, lease: timedelta) -> list[Row]:
    """Return each thread that is said to be at work, though no run of it is."""
    if not await is_there(connection):
        return []
    return await (await connection.execute(LEFT_BUSY, [lease])).fetchall()


async def free(connection: Rows, thread_id: str, thread: str) -> None:
    """Say how it stands with a thread that was left busy, unless a run has just been accepted."""
    await connection.execute(FREE, {"thread_id": thread_id, "thread": thread})


async def find(connection: Rows, thread_id: str, run_id: str) -> Row | None:
    """Return status, output and error of a run, or None."""
    return await (await connection.execute(FIND, [thread_id, run_id])).fetchone()
