"""The memories table: what the team has learned in words, and how good each has proved."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from psycopg.types.json import Jsonb

from agora.domain.contracts import Json
from agora.domain.recollection import HIGH, LOW, WORTH
from memory.database import Row, Rows

REMEMBER = """
INSERT INTO memories (tenant, kind, text, digest, origin, labels, quality, expires_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, clock_timestamp() + %s)
ON CONFLICT (tenant, kind, digest) DO NOTHING
"""
# A tool's: found by its name. A new xid lets the index read the text again.
BEGIN = """
INSERT INTO memories (tenant, kind, text, digest, origin, labels, quality, is_compared)
VALUES (%s, 'tool', '', %s, %s, %s, %s, true) ON CONFLICT (tenant, kind, digest) DO NOTHING
"""
TALLY = """
SELECT id, coalesce(tally, '{}') AS tally FROM memories
WHERE tenant = %s AND kind = 'tool' AND digest = %s FOR UPDATE
"""
REVISE = """
UPDATE memories SET tally = %s, text = %s, origin = %s, xid = pg_current_xact_id(),
    expires_at = clock_timestamp() + %s
WHERE id = %s
"""
# A memory is recalled only where each of its labels is the task's too: what is private stays in
# private tasks, which no cloud sees, and what is untrusted in tasks that are known to be.
AMONG = """
SELECT id, kind, text, origin, labels, quality,
       extract(epoch FROM clock_timestamp() - used_at)::float8 / 86400 AS age_days
FROM memories WHERE id = ANY(%(ids)s) AND tenant = %(tenant)s AND labels <@ %(labels)s::text[]
  AND NOT is_archived AND (expires_at IS NULL OR expires_at > clock_timestamp())
"""
GONE = "SELECT id FROM memories WHERE id = ANY(%s) AND NOT is_archived"
# Every statement locks memories in the order of ids, and a transaction of several holds all of
# them first: whatever two tasks were told, they never wait for each other.
HOLD = "SELECT FROM memories WHERE id = ANY(%s) ORDER BY id FOR UPDATE"
HOLD_OF_A_TASK = """
SELECT FROM memories WHERE id IN (
    SELECT memory_id FROM recalled WHERE task_id = %(task_id)s UNION ALL
    SELECT id FROM memories
    WHERE tenant = %(tenant)s AND kind = 'tool' AND digest = ANY(%(digests)s))
ORDER BY id FOR UPDATE
"""
USE = """
WITH used AS (
    UPDATE memories SET uses = uses + 1, used_at = clock_timestamp()
    WHERE id IN (SELECT id FROM memories WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE)
    RETURNING id
)
INSERT INTO recalled (task_id, memory_id) SELECT %(task_id)s, id FROM used ON CONFLICT DO NOTHING
"""
TOLD = """
SELECT id FROM memories WHERE id IN (
    SELECT memory_id FROM recalled WHERE task_id = %(task_id)s UNION ALL
    SELECT id FROM memories WHERE %(own)s AND origin = %(task_id)s)
ORDER BY id FOR UPDATE
"""
# Quality moves towards 1 or towards 0, never beyond: all that a task was told or has left behind.
PRAISE = f"UPDATE memories SET quality = quality + %(step)s * (1 - quality) WHERE id IN ({TOLD})"
BLAME = f"UPDATE memories SET quality = quality * (1 - %(step)s) WHERE id IN ({TOLD})"
EXPIRE = """
DELETE FROM memories WHERE id IN (
    SELECT id FROM memories WHERE expires_at < clock_timestamp() ORDER BY id FOR UPDATE)
RETURNING id, tenant
"""
ARCHIVE = f"""
UPDATE memories SET is_archived = true WHERE id IN (
    SELECT id FROM memories WHERE NOT is_archived AND quality < {LOW} ORDER BY id FOR UPDATE)
RETURNING id, tenant
"""
NEW = """
SELECT id, tenant, kind, text, labels, quality FROM memories
WHERE NOT is_archived AND NOT is_compared ORDER BY id LIMIT %s
"""
COMPARED = """
UPDATE memories SET is_compared = true
WHERE id IN (SELECT id FROM memories WHERE id = ANY(%s) ORDER BY id FOR UPDATE)
"""
MERGE = """
WITH told AS (
    UPDATE memories SET is_archived = true WHERE id = %(other)s AND NOT is_archived
    RETURNING uses, quality
)
UPDATE memories SET uses = memories.uses + told.uses,
    quality = GREATEST(memories.quality, told.quality)
FROM told WHERE memories.id = %(kept)s
"""
COUNT = """
SELECT count(*) AS memories, count(*) FILTER (WHERE is_archived) AS archived,
       count(*) FILTER (WHERE quality >= %s) AS high FROM memories
"""


@dataclass(frozen=True)
class Memory:
    """Something worth telling again, where it comes from, and under which labels."""

    tenant: str
    kind: str  # outcome, tool, reflection, feedback
    text: str
    origin: str
    labels: tuple[str, ...] = ()
    quality: float | None = None  # None: as its kind begins

    @property
    def digest(self) -> str:
        """Return the hash of the text and its labels: told twice is remembered once."""
        said = "\0".join((self.text, *sorted(self.labels)))
        return sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


async def hold(connection: Rows, ids: Sequence[int]) -> None:
    """Let nobody else change these memories until the transaction ends."""
    await connection.execute(HOLD, [list(ids)])


async def hold_of_a_task(connection: Rows, task_id: str, tools: Sequence[Memory]) -> None:
    """Hold what a task was told, and those of the tools' memories that there are."""
    wanted: Row = {"task_id": task_id, "digests": [one.digest for one in tools]}
    await connection.execute(HOLD_OF_A_TASK, wanted | {"tenant": tools[0].tenant if tools else ""})


async def remember(connection: Rows, memory: Memory, life: timedelta | None) -> None:
    """Store a memory, unless it is known."""
    quality = WORTH[memory.kind] if memory.quality is None else memory.quality
    row = [memory.tenant, memory.kind, memory.text, memory.digest, memory.origin]
    await connection.execute(REMEMBER, [*row, sorted(memory.labels), quality, life])


async def revise(
    connection: Rows, memory: Memory, life: timedelta, step: Callable[[Json], tuple[Json, str]]
) -> None:
    """Let the tally of a tool's only memory, whose `text` is its name, take a step; keep both."""
    key = [memory.tenant, memory.digest]
    began = [*key, memory.origin, sorted(memory.labels), WORTH[memory.kind]]
    await connection.execute(BEGIN, began)
    row = await (await connection.execute(TALLY, key)).fetchone()
    assert row is not None
    tally, text = step(row["tally"])
    if tally != row["tally"]:
        told = [Jsonb(tally), text, memory.origin, life, row["id"]]
        await connection.execute(REVISE, told)


async def among(
    connection: Rows, ids: Sequence[int], tenant: str, labels: Sequence[str]
) -> list[Row]:
    """Return those of the memories that may be recalled in a task with these labels."""
    wanted = {"ids": list(ids), "tenant": tenant, "labels": list(labels)}
    return await (await connection.execute(AMONG, wanted)).fetchall()


async def gone(connection: Rows, ids: Sequence[int]) -> list[int]:
    """Return the ids that are no longer to be recalled."""
    rows = await (await connection.execute(GONE, [list(ids)])).fetchall()
    return sorted(set(ids) - {int(row["id"]) for row in rows})


async def use(connection: Rows, ids: Sequence[int], task_id: str) -> None:
    """Note that a task was told these memories."""
    await connection.execute(USE, {"ids": list(ids), "task_id": task_id})


async def move(
    connection: Rows, task_id: str, is_good: bool, step: float, *, own: bool = False
) -> None:
    """Raise or lower what a task was told; with `own`, what it has left behind too."""
    wanted = {"task_id": task_id, "step": step, "own": own}
    await connection.execute(PRAISE if is_good else BLAME, wanted)


async def expire(connection: Rows) -> list[Row]:
    """Remove what has outlived its time; return id and tenant of what went."""
    return await (await connection.execute(EXPIRE)).fetchall()


async def archive(connection: Rows) -> list[Row]:
    """Put aside what has proved worth little; return id and tenant of what went."""
    return await (await connection.execute(ARCHIVE)).fetchall()


async def uncompared(connection: Rows, limit: int) -> list[Row]:
    """Return memories that nobody has looked for duplicates of."""
    return await (await connection.execute(NEW, [limit])).fetchall()


async def compared(connection: Rows, ids: Sequence[int]) -> None:
    """Note that these were compared with all others."""
    await connection.execute(COMPARED, [list(ids)])


async def merge(connection: Rows, kept: int, other: int) -> None:
    """Let one memory stand for two."""
    await connection.execute(MERGE, {"kept": kept, "other": other})


async def count(connection: Rows) -> Row:
    """Return how many memories there are, how many archived, how many of high quality."""
    row = await (await connection.execute(COUNT, [HIGH])).fetchone()
    assert row is not None
    return row
