"""The appeals table: meetings that could not rule, and what a person has said."""

from datetime import timedelta
from typing import Any

from psycopg.types.json import Jsonb

from memory.database import Row, Rows

ASK = """
INSERT INTO appeals (room_id, thread_id, task, ruling) VALUES (%s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""
FIND = "SELECT * FROM appeals WHERE room_id = %s"
WAITING = "SELECT * FROM appeals WHERE answer IS NULL ORDER BY created_at"
ANSWER = """
UPDATE appeals SET answer = %s, by = %s, answered_at = clock_timestamp()
WHERE room_id = %s AND answer IS NULL
"""
# Not for ever: a run that was cancelled, or begun anew, never rules.
LEFT = """
SELECT room_id FROM appeals
WHERE answered_at BETWEEN clock_timestamp() - interval '1 day' AND clock_timestamp() - %s
  AND NOT EXISTS (SELECT FROM rooms WHERE id = room_id)
"""


async def ask(connection: Rows, room_id: str, thread_id: str, task: Any, ruling: Any) -> None:
    """Write down that a person is to rule, once."""
    await connection.execute(ASK, [room_id, thread_id, Jsonb(task), Jsonb(ruling)])


async def find(connection: Rows, room_id: str) -> Row | None:
    """Return an appeal, or None; its `answer` is None until somebody has ruled."""
    return await (await connection.execute(FIND, [room_id])).fetchone()


async def waiting(connection: Rows) -> list[Row]:
    """Return the meetings that wait for a person, oldest first."""
    return await (await connection.execute(WAITING)).fetchall()


async def answer(connection: Rows, room_id: str, said: str, by: str) -> bool:
    """Keep what a person ruled; return False where another one was quicker."""
    return (await connection.execute(ANSWER, [said, by, room_id])).rowcount == 1


async def left(connection: Rows, ago: timedelta) -> list[str]:
    """Return the meetings that were ruled so long ago, and whose runs nobody goes on with."""
    return [row["room_id"] for row in await (await connection.execute(LEFT, [ago])).fetchall()]
