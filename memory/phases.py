"""The capabilities table: the phase of each capability that was ever moved, and why it rests."""

from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from memory.database import Row, Rows

EVERY = "SELECT name, phase, paused, failures, change, moved_at FROM capabilities ORDER BY name"
MOVE = """
INSERT INTO capabilities AS known (name, phase, change, moved_at)
VALUES (%(name)s, %(phase)s, %(change)s, %(at)s)
ON CONFLICT (name) DO UPDATE SET phase = EXCLUDED.phase, change = EXCLUDED.change,
    moved_at = EXCLUDED.moved_at, paused = '', failures = 0
"""
PAUSE = """
INSERT INTO capabilities AS known (name, phase, paused, moved_at)
VALUES (%(name)s, %(phase)s, %(why)s, %(at)s)
ON CONFLICT (name) DO UPDATE SET paused = EXCLUDED.paused WHERE known.paused = ''
"""
RESUME = """
UPDATE capabilities SET paused = '', failures = 0
WHERE name = %s AND paused <> '' AND starts_with(paused, %s)
"""
FAILED = """
INSERT INTO capabilities AS known (name, phase, failures, moved_at)
VALUES (%(name)s, %(phase)s, 1, %(at)s)
ON CONFLICT (name) DO UPDATE SET failures = known.failures + 1
RETURNING failures
"""
WORKED = "UPDATE capabilities SET failures = 0 WHERE name = %s AND failures > 0"


async def every(connection: Rows) -> list[Row]:
    """Return all that were ever moved, paused, or have failed."""
    return await (await connection.execute(EVERY)).fetchall()


async def move(connection: Rows, name: str, phase: str, change: Any, at: datetime) -> None:
    """Set a capability's phase; whatever it was paused for is over."""
    row = {"name": name, "phase": phase, "change": Jsonb(change), "at": at}
    await connection.execute(MOVE, row)


async def pause(connection: Rows, name: str, phase: str, why: str, at: datetime) -> bool:
    """Let a capability rest; return False: it did already."""
    row = {"name": name, "phase": phase, "why": why, "at": at}
    return (await connection.execute(PAUSE, row)).rowcount == 1


async def resume(connection: Rows, name: str, why: str = "") -> bool:
    """End a rest whose reason begins so; return whether there was one."""
    return (await connection.execute(RESUME, [name, why])).rowcount == 1


async def failed(connection: Rows, name: str, phase: str, at: datetime) -> int:
    """Count a failure; return how many there were in a row."""
    row = {"name": name, "phase": phase, "at": at}
    found = await (await connection.execute(FAILED, row)).fetchone()
    return int(found["failures"]) if found else 0


async def worked(connection: Rows, name: str) -> None:
    """Forget the failures: it has worked."""
    await connection.execute(WORKED, [name])
