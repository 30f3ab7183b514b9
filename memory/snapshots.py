"""The snapshots table: which there are; each keeps its own report beside its files, too."""

from datetime import datetime

from psycopg.types.json import Jsonb

from agora.domain.contracts import Json
from memory.database import Row, Rows

KEEP = """
INSERT INTO snapshots (id, at, folder, report) VALUES (%s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET report = EXCLUDED.report
"""
NEWEST = "SELECT id, at, folder, report FROM snapshots ORDER BY at DESC"
FORGET = "DELETE FROM snapshots WHERE id = ANY(%s)"
FIGURES = """
SELECT count(*) FILTER (WHERE status = 'answered')::float8 / nullif(count(*), 0) AS completion,
       1000 * percentile_cont(0.5) WITHIN GROUP (
           ORDER BY extract(epoch FROM ended_at - created_at)) AS task_p50_ms
FROM tasks WHERE ended_at > %s::timestamptz - interval '7 days'
"""
WORKSPACES = """
SELECT DISTINCT workspace FROM changes WHERE workspace <> '' AND kind = 'patch' ORDER BY 1
"""


async def keep(connection: Rows, snapshot_id: str, at: datetime, folder: str, report: Json) -> None:
    """Write a snapshot down."""
    await connection.execute(KEEP, [snapshot_id, at, folder, Jsonb(report)])


async def every(connection: Rows) -> list[Row]:
    """Return all snapshots, newest first."""
    return await (await connection.execute(NEWEST)).fetchall()


async def forget(connection: Rows, ids: list[str]) -> None:
    """Forget snapshots whose files are gone."""
    await connection.execute(FORGET, [ids])


async def figures(connection: Rows, now: datetime) -> Row:
    """Return how tasks of the last week went: completion in [0, 1], task_p50_ms."""
    row = await (await connection.execute(FIGURES, [now])).fetchone()
    return row or {}


async def workspaces(connection: Rows) -> list[str]:
    """Return the workspaces that were ever changed."""
    return [row["workspace"] for row in await (await connection.execute(WORKSPACES)).fetchall()]
