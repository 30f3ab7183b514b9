"""The beats and measures tables: the newest sign of life of each part, and what it said before."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from psycopg.types.json import Jsonb

from agora.domain.health import Check
from memory.database import Row, Rows

# Several processes look at the same parts: all lock them in the order of names.
BEAT = """
INSERT INTO beats AS known (name, kind, status, said, value, unit, every_s, at, failed_at, failed)
SELECT name, kind, status, said, value, unit, %(every_s)s, %(at)s,
       CASE WHEN status <> 'pass' THEN %(at)s::timestamptz END,
       CASE WHEN status <> 'pass' THEN said ELSE '' END
FROM jsonb_to_recordset(%(checks)s) AS new
    (name text, kind text, status text, said text, value double precision, unit text)
ORDER BY name
ON CONFLICT (name) DO UPDATE SET
    kind = EXCLUDED.kind, status = EXCLUDED.status, said = EXCLUDED.said, value = EXCLUDED.value,
    unit = EXCLUDED.unit, every_s = EXCLUDED.every_s, at = EXCLUDED.at,
    failed_at = coalesce(EXCLUDED.failed_at, known.failed_at),
    failed = CASE WHEN EXCLUDED.failed_at IS NULL THEN known.failed ELSE EXCLUDED.failed END
"""
ALL = "SELECT * FROM beats ORDER BY name"
TOUCH = """
UPDATE beats SET at = %s WHERE name IN (SELECT name FROM beats ORDER BY name FOR UPDATE)
"""
FORGET = """
DELETE FROM beats
WHERE name IN (SELECT name FROM beats WHERE name = ANY(%s) ORDER BY name FOR UPDATE)
"""
MEASURE = """
INSERT INTO measures (source, at, told) VALUES (%s, date_trunc('minute', %s::timestamptz), %s)
ON CONFLICT (source, at) DO UPDATE SET told = measures.told || EXCLUDED.told
"""
HISTORY = "SELECT source, at, told FROM measures WHERE at >= %s ORDER BY at, source"
PRUNE = "DELETE FROM measures WHERE at < %s"


async def beat(connection: Rows, checks: Sequence[Check], at: datetime, every: timedelta) -> None:
    """Write down that these parts were looked at, and how they are; the next look is due then."""
    row = {"checks": Jsonb([one.as_json() for one in checks]), "at": at}
    await connection.execute(BEAT, row | {"every_s": every.total_seconds()})


async def every(connection: Rows) -> list[Row]:
    """Return the newest beat of each part."""
    return await (await connection.execute(ALL)).fetchall()


async def forget(connection: Rows, names: Sequence[str]) -> None:
    """Expect no more beats of these parts."""
    await connection.execute(FORGET, [list(names)])


async def touch(connection: Rows, at: datetime) -> None:
    """Count all ages from now on."""
    await connection.execute(TOUCH, [at])


async def measure(connection: Rows, source: str, at: datetime, checks: Sequence[Check]) -> None:
    """Keep what was measured in this minute."""
    told = {one.name: one.value for one in checks if one.value is not None}
    await connection.execute(MEASURE, [source, at, Jsonb(told)])


async def history(connection: Rows, since: datetime) -> list[Row]:
    """Return what was measured since then: source, at, told {name: value}."""
    return await (await connection.execute(HISTORY, [since])).fetchall()


async def prune(connection: Rows, before: datetime) -> int:
    """Let older measures go; return how many."""
    return (await connection.execute(PRUNE, [before])).rowcount
