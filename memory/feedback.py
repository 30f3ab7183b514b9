"""The feedback table: what people have said of answers."""

from memory.database import Row, Rows

SAY = "INSERT INTO feedback (task_id, word, comment) VALUES (%s, %s, %s)"
COUNT = """
SELECT count(*) FILTER (WHERE word = 'good') AS good, count(*) FILTER (WHERE word = 'bad') AS bad
FROM feedback
"""


async def say(connection: Rows, task_id: str, word: str, comment: str) -> None:
    """Write down what a person has said."""
    await connection.execute(SAY, [task_id, word, comment])


async def count(connection: Rows) -> Row:
    """Return how many words were good, and how many bad."""
    row = await (await connection.execute(COUNT)).fetchone()
    assert row is not None
    return row
