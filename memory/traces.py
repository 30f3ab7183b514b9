"""What LangSmith is told: the traces and mirrored tables, and which judgements it knows."""

from memory.database import UNFLUSHED, Row, Rows

KEEP = f"""
WITH unflushed AS ({UNFLUSHED})
INSERT INTO traces (task_id, run_id, project) SELECT %s, %s::uuid, %s FROM unflushed
ON CONFLICT (task_id) DO UPDATE SET run_id = EXCLUDED.run_id, project = EXCLUDED.project
"""
# What a validator says is a part of the trace already, as its correctness.
UNTOLD = """
SELECT task_id, bidder, source, is_right, reason, answer, judgements.at, told, run_id, project
FROM judgements JOIN traces USING (task_id)
WHERE source <> 'validator' AND told IS DISTINCT FROM is_right
ORDER BY judgements.at LIMIT 100
"""
TOLD = """
UPDATE judgements SET told = %(is_right)s
WHERE task_id = %(task_id)s AND bidder = %(bidder)s AND source = %(source)s
"""
UNMIRRORED = """
SELECT channels.expert, version, text, author, reason, move
FROM channels JOIN prompts USING (expert, version)
     JOIN (SELECT expert, max(id) AS move FROM prompt_moves
           WHERE kind IN ('seeded', 'promoted', 'rolled_back') GROUP BY expert) AS moves
     USING (expert)
WHERE channel = 'production'
  AND NOT EXISTS (SELECT FROM mirrored WHERE mirrored.expert = channels.expert
                                         AND mirrored.move = moves.move)
ORDER BY channels.expert
"""
MIRRORED = """
INSERT INTO mirrored (expert, move) VALUES (%(expert)s, %(move)s)
ON CONFLICT (expert) DO UPDATE SET move = EXCLUDED.move
"""


async def keep(connection: Rows, task_id: str, run_id: str, project: str) -> None:
    """Keep which trace a task was last."""
    await connection.execute(KEEP, [task_id, run_id, project])


async def untold(connection: Rows) -> list[Row]:
    """Return judgements of traced tasks that LangSmith does not know yet, oldest first."""
    return await (await connection.execute(UNTOLD)).fetchall()


async def told(connection: Rows, row: Row) -> None:
    """Keep that LangSmith knows a judgement."""
    await connection.execute(TOLD, row)


async def unmirrored(connection: Rows) -> list[Row]:
    """Return what is in production and not in the hub yet."""
    return await (await connection.execute(UNMIRRORED)).fetchall()


async def mirrored(connection: Rows, row: Row) -> None:
    """Keep that the hub has followed a move of production."""
    await connection.execute(MIRRORED, row)
