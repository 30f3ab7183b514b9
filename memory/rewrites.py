"""The rewrites table: what the architect made of which prompts, and what came of it."""

from psycopg.types.json import Jsonb

from agora.domain.contracts import Json
from memory.database import Row, Rows

FIELDS = "id, expert, student, architect, model, old, evidence, new, before, after, fault"
ADD = f"""
INSERT INTO rewrites ({FIELDS}) VALUES (%(id)s, %(expert)s, %(student)s, %(architect)s, %(model)s,
    %(old)s, %(evidence)s, %(new)s, %(before)s, %(after)s, %(fault)s) ON CONFLICT DO NOTHING
"""
NEWEST = f"SELECT {FIELDS} FROM rewrites WHERE expert <> %s ORDER BY at DESC LIMIT %s"
FIND = f"SELECT {FIELDS} FROM rewrites WHERE id = %s"


async def add(connection: Rows, row: Json) -> None:
    """Keep a rewriting; a repeated search finds it there."""
    await connection.execute(ADD, row | {"evidence": Jsonb(row["evidence"])})


async def newest(connection: Rows, but: str, most: int) -> list[Row]:
    """Return the newest rewritings, but those of one expert's own prompt."""
    return await (await connection.execute(NEWEST, [but, most])).fetchall()


async def find(connection: Rows, rewrite_id: str) -> Row | None:
    """Return a rewriting, or None."""
    return await (await connection.execute(FIND, [rewrite_id])).fetchone()
