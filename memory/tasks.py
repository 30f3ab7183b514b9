"""The tasks table: what people asked, once an id, and how it turned out."""

from psycopg.types.json import Jsonb

from agora.domain.contracts import AgentOutcome, AgentTask
from memory.database import Row, Rows

ACCEPT = """
INSERT INTO tasks (id, thread_id, tenant, body) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
FIND = "SELECT id, thread_id, body, status, outcome, created_at FROM tasks WHERE id = %s"
CLOSE = """
UPDATE tasks SET status = %s, outcome = %s, ended_at = clock_timestamp()
WHERE id = %s AND status = 'open'
"""
COUNT = "SELECT status, count(*) AS tasks FROM tasks GROUP BY status"


async def accept(connection: Rows, task: AgentTask, thread_id: str) -> bool:
    """Write the task down, or return False: its id is known already."""
    row = [task.id, thread_id, task.tenant, Jsonb(task.as_json())]
    return (await connection.execute(ACCEPT, row)).rowcount == 1


async def find(connection: Rows, task_id: str) -> Row | None:
    """Return the task, or None."""
    return await (await connection.execute(FIND, [task_id])).fetchone()


async def close(connection: Rows, task_id: str, outcome: AgentOutcome) -> bool:
    """Store how the task turned out; return False if that was stored before."""
    row = [outcome.status, Jsonb(outcome.as_json()), task_id]
    return (await connection.execute(CLOSE, row)).rowcount == 1


async def count(connection: Rows) -> dict[str, int]:
    """Return how many tasks there are of each status."""
    rows = await (await connection.execute(COUNT)).fetchall()
    return {row["status"]: int(row["tasks"]) for row in rows}
