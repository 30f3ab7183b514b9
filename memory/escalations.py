"""The escalations table: acts that need a person's yes, and what the person has said."""

from psycopg.types.json import Jsonb

from agora.domain.contracts import Act, Case
from memory.database import Row, Rows

# Outside of a graph a yes is used up by one act: the next one is asked for anew.
ASK = """
INSERT INTO escalations AS known (id, act, reasons, case_id, thread_id, stage, round)
VALUES (%(id)s, %(act)s, %(reasons)s, %(case_id)s, %(thread_id)s, %(stage)s, %(round)s)
ON CONFLICT (id) DO UPDATE SET type = NULL, by = NULL, reason = NULL, answered_at = NULL,
    used_at = NULL, created_at = clock_timestamp(), case_id = EXCLUDED.case_id
WHERE known.used_at IS NOT NULL
"""
FIELDS = "id, act, reasons, case_id, thread_id, stage, type, by, reason, created_at, answered_at"
FIND = f"SELECT {FIELDS} FROM escalations WHERE id = %s"
WAITING = f"SELECT {FIELDS} FROM escalations WHERE type IS NULL ORDER BY created_at"
ANSWER = """
UPDATE escalations SET type = %s, by = %s, reason = %s, answered_at = clock_timestamp()
WHERE id = %s AND type IS NULL
"""
USE = """
UPDATE escalations SET used_at = clock_timestamp()
WHERE id = %s AND type IS NOT NULL AND used_at IS NULL
"""
BEFORE = """
SELECT count(*) AS answered FROM escalations
WHERE case_id = %s AND stage = %s AND round = %s AND type IS NOT NULL
"""


async def ask(connection: Rows, one: str, here: Case, act: Act, reasons: list[str]) -> bool:
    """Write down that a person must answer; return False where that is known."""
    row: Row = {"id": one, "act": Jsonb(act.as_json()), "reasons": reasons, "case_id": here.id}
    row |= {"thread_id": here.thread_id, "stage": here.stage, "round": here.round}
    return (await connection.execute(ASK, row)).rowcount == 1


async def find(connection: Rows, one: str) -> Row | None:
    """Return an escalation, or None; its `type` is None until somebody has answered."""
    return await (await connection.execute(FIND, [one])).fetchone()


async def waiting(connection: Rows) -> list[Row]:
    """Return what nobody has answered, oldest first."""
    return await (await connection.execute(WAITING)).fetchall()


async def answer(connection: Rows, one: str, said: str, by: str, reason: str) -> bool:
    """Keep what a person said; return False where another one was quicker."""
    return (await connection.execute(ANSWER, [said, by, reason, one])).rowcount == 1


async def use(connection: Rows, one: str) -> bool:
    """Use up an answer; return False where that was done before."""
    return (await connection.execute(USE, [one])).rowcount == 1


async def answered_before(connection: Rows, here: Case) -> int:
    """Return how many escalations of this very stage and round have an answer."""
    where = [here.id, here.stage, here.round]
    row = await (await connection.execute(BEFORE, where)).fetchone()
    return int(row["answered"]) if row else 0
