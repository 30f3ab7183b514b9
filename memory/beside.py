"""The beside table: fresh tasks that a candidate on trial does beside the incumbent."""

from psycopg.types.json import Jsonb

from agora.domain.contracts import Json
from memory.database import Row, Rows

# A trial takes a task only when the incumbent it challenges has done it.
TAKE = """
INSERT INTO beside (trial_id, task_id, bidder, candidate, context, award)
SELECT id, %(task_id)s, %(bidder)s, candidate, %(context)s, %(award)s FROM trials
WHERE status = 'running'
  AND (kind = 'prompt' AND subject = %(expert)s AND (candidate->>'incumbent')::int = %(prompt)s
       OR kind = 'model' AND subject = %(model)s)
ON CONFLICT DO NOTHING
"""
LIVING = """
SELECT beside.*, tasks.body AS task, trials.kind, trials.subject
FROM beside JOIN tasks ON tasks.id = beside.task_id JOIN trials ON trials.id = beside.trial_id
"""
THEIRS = f"{LIVING} WHERE trials.status = 'running' AND beside.status ="
OLDEST = "ORDER BY beside.created_at LIMIT %s"
TO_DO = f"{THEIRS} 'waiting' {OLDEST}"
ANSWERED = f"{THEIRS} 'answered' {OLDEST}"
ANSWER = """
UPDATE beside SET status = 'answered', answer = %s, error = %s
WHERE trial_id = %s AND task_id = %s AND status = 'waiting'
"""
MOVE = "UPDATE beside SET status = %s, is_right = %s WHERE trial_id = %s AND task_id = %s"
ALONE = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0)) AS is_ours"
LEAVE = "SELECT pg_advisory_unlock(hashtextextended(%s, 0))"


async def take(
    connection: Rows,
    task_id: str,
    bidder: str,
    prompt: int | None,
    context: Json,
    award: Json,
) -> bool:
    """Let every trial that this work's incumbent is part of do the task too; True: there is one."""
    expert, _, model = bidder.partition("@")
    row: Row = {"task_id": task_id, "bidder": bidder, "expert": expert, "model": model}
    row |= {"prompt": prompt, "context": Jsonb(context), "award": Jsonb(award)}
    return (await connection.execute(TAKE, row)).rowcount > 0


async def to_do(connection: Rows, most: int) -> list[Row]:
    """Return what candidates have yet to do, oldest first."""
    return await (await connection.execute(TO_DO, [most])).fetchall()


async def answered(connection: Rows, most: int) -> list[Row]:
    """Return what has been done and not been paired, oldest first."""
    return await (await connection.execute(ANSWERED, [most])).fetchall()


async def answer(connection: Rows, row: Row, text: str | None, error: str | None) -> None:
    """Keep what a candidate has made of a task."""
    await connection.execute(ANSWER, [text, error, row["trial_id"], row["task_id"]])


async def move(connection: Rows, row: Row, status: str, is_right: bool | None = None) -> None:
    """Say that a pair counts, or that it is left out."""
    await connection.execute(MOVE, [status, is_right, row["trial_id"], row["task_id"]])


async def is_alone(connection: Rows, name: str) -> bool:
    """Take the lock of one who works alone, until `leave` or the end of the connection."""
    row = await (await connection.execute(ALONE, [name])).fetchone()
    return bool(row and row["is_ours"])


async def leave(connection: Rows, name: str) -> None:
    """Give the lock back."""
    await connection.execute(LEAVE, [name])
