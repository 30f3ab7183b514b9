"""The house itself: connections, workers and jobs, as the database sees them."""

from memory.database import Row, Rows

SILENT_S = 60
TOLD = """
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
       current_setting('max_connections')::int AS most,
       (SELECT count(*) FROM procrastinate_workers
        WHERE last_heartbeat > clock_timestamp() - make_interval(secs => %s)) AS workers,
       (SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'
        AND (scheduled_at IS NULL OR scheduled_at < clock_timestamp())) AS jobs
"""


async def told(connection: Rows) -> Row:
    """Return how many connections there are and may be, living workers, and jobs in line."""
    row = await (await connection.execute(TOLD, [SILENT_S])).fetchone()
    assert row is not None
    return row
