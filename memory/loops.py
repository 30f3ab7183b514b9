"""The loops table: which workspaces are looked after, how often, and what came of it."""

from datetime import datetime, timedelta

from psycopg.types.json import Jsonb

from agora.domain.contracts import Json
from memory.database import Row, Rows

# Started again, a loop keeps what it has counted.
START = """
INSERT INTO loops AS known
    (id, workspace, name, preset, task, status, started_at, next_at, next_maintenance_at)
VALUES (%(id)s, %(workspace)s, %(name)s, %(preset)s, %(task)s, %(status)s, %(now)s, %(now)s,
        %(now)s)
ON CONFLICT (id) DO UPDATE SET
    preset = EXCLUDED.preset, task = EXCLUDED.task, status = EXCLUDED.status,
    next_at = EXCLUDED.next_at,
    started_at = CASE WHEN known.status = 'stopped' THEN EXCLUDED.started_at
                      ELSE known.started_at END
RETURNING *
"""
FIND = "SELECT * FROM loops WHERE id = %s"
MOVE = "UPDATE loops SET status = %s WHERE id = %s AND status = ANY(%s)"
DUE = "SELECT id FROM loops WHERE status = 'running' AND next_at <= %s ORDER BY next_at"
# Compare-and-swap: of all processes one gets a tick.
BEGIN = """
UPDATE loops SET cycle_count = cycle_count + 1, last_check = %(now)s,
    next_at = %(now)s + %(interval)s
WHERE id = %(id)s AND (%(asked)s OR (status = 'running' AND next_at <= %(now)s)) RETURNING *
"""
BEGIN_MAINTENANCE = """
UPDATE loops SET next_maintenance_at = %(now)s + %(every)s, last_maintenance = %(now)s,
    maintenance_runs = maintenance_runs + 1
WHERE id = %(id)s AND (%(asked)s OR next_maintenance_at <= %(now)s) RETURNING id
"""
COUNT = """
UPDATE loops SET opportunities_detected = opportunities_detected + %s,
    tools_analyzed = tools_analyzed + %s WHERE id = %s
"""
END = (
    "UPDATE loops SET cycles_completed = cycles_completed + 1, cycle_s = cycle_s + %s WHERE id = %s"
)
LOOKED = "UPDATE loops SET looked_at = %s WHERE id = %s"
# Nothing is counted twice: what a loop has done stands in opportunities and changes.
RUNS = """
SELECT count(*) FILTER (WHERE kind <> 'alarm') AS attempted,
       count(*) FILTER (WHERE verdict = ANY(%(failed)s)) AS failed
FROM opportunities WHERE claimed_by LIKE %(threads)s
"""
DEPLOYED = """
SELECT count(*) AS deployed FROM changes
WHERE thread_id LIKE %(threads)s AND takes_back = '' AND status IN ('applied', 'reverted')
"""
WORKERS = """
SELECT count(*) AS alive FROM procrastinate_workers
WHERE last_heartbeat > now() - interval '1 minute'
"""
FAILED = ["not_found", "refused", "rejected", "expired", "failed"]


async def start(connection: Rows, loop: Row, now: datetime) -> Row:
    """Write a loop down, or start it again; return its row."""
    row = loop | {"task": Jsonb(loop["task"]), "now": now}
    stored = await (await connection.execute(START, row)).fetchone()
    assert stored is not None
    return stored


async def find(connection: Rows, loop_id: str) -> Row | None:
    """Return a loop, or None."""
    return await (await connection.execute(FIND, [loop_id])).fetchone()


async def move(connection: Rows, loop_id: str, status: str, *before: str) -> bool:
    """Set the status if it is one of those `before`; return whether it was."""
    return (await connection.execute(MOVE, [status, loop_id, list(before)])).rowcount == 1


async def due(connection: Rows, now: datetime) -> list[str]:
    """Return the running loops whose next cycle is due."""
    rows = await (await connection.execute(DUE, [now])).fetchall()
    return [str(row["id"]) for row in rows]


async def begin(
    connection: Rows, loop_id: str, now: datetime, interval: timedelta, *, asked: bool
) -> Row | None:
    """Return the loop, one cycle of which is now ours; None: it is not due, or somebody else's."""
    given = {"id": loop_id, "now": now, "interval": interval, "asked": asked}
    return await (await connection.execute(BEGIN, given)).fetchone()


async def begin_maintenance(
    connection: Rows, loop_id: str, now: datetime, every: timedelta, *, asked: bool
) -> bool:
    """Return whether a maintenance is due, and now ours."""
    given = {"id": loop_id, "now": now, "every": every, "asked": asked}
    return (await connection.execute(BEGIN_MAINTENANCE, given)).rowcount == 1


async def count(connection: Rows, loop_id: str, detected: int, analyzed: int) -> None:
    """Add what a cycle has found and looked at."""
    await connection.execute(COUNT, [detected, analyzed, loop_id])


async def end(connection: Rows, loop_id: str, seconds: float) -> None:
    """Count a cycle that has come to its end."""
    await connection.execute(END, [seconds, loop_id])


async def looked(connection: Rows, loop_id: str, commit: str) -> None:
    """Remember the commit whose tests were run."""
    await connection.execute(LOOKED, [commit, loop_id])


async def counted(connection: Rows, threads: str) -> Json:
    """Return what came of the runs on threads with this prefix: attempted, failed, deployed."""
    given = {"threads": f"{threads}%", "failed": FAILED}
    runs = await (await connection.execute(RUNS, given)).fetchone()
    deployed = await (await connection.execute(DEPLOYED, given)).fetchone()
    return dict(runs or {}) | dict(deployed or {})


async def workers(connection: Rows) -> int:
    """Return how many workers have shown a sign of life within the last minute."""
    row = await (await connection.execute(WORKERS)).fetchone()
    return int(row["alive"]) if row else 0
