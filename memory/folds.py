"""The folds table: what is computed from events. State and cursor commit together."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from memory.database import UNFLUSHED, Rows

START = "INSERT INTO folds (name, kinds) VALUES (%s, %s) ON CONFLICT DO NOTHING"
READ = "SELECT xid, id, state FROM folds WHERE name = %s"
LOCK = f"{READ} FOR UPDATE"
BATCH = 1000
# Ids are given before the commit, so a smaller one may appear later. A transaction below xmin
# is over for good; the cursor goes by (xid, id), for with the id alone it would still skip.
# Kind by kind: each begins at its place in the index, however much else has happened since.
NEXT = f"""
SELECT found.* FROM unnest(%(kinds)s::text[]) AS one (kind) CROSS JOIN LATERAL (
    SELECT xid, id, kind, at, correlation_id, body FROM events
    WHERE channel = '' AND kind = one.kind AND (xid, id) > (%(xid)s::xid8, %(id)s)
      AND xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY xid, id LIMIT {BATCH}) AS found
ORDER BY xid, id LIMIT {BATCH}
"""
STORE = f"""
WITH unflushed AS ({UNFLUSHED})
UPDATE folds SET xid = %s::xid8, id = %s, state = %s, kinds = %s FROM unflushed WHERE name = %s
"""
# What a process has read before needs no reading again while nothing has happened.
PEEK = """
SELECT xid, id, EXISTS (
    SELECT FROM unnest(%(kinds)s::text[]) AS one (kind) CROSS JOIN LATERAL (
        SELECT FROM events
        WHERE channel = '' AND kind = one.kind AND (events.xid, events.id) > (folds.xid, folds.id)
          AND events.xid < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY xid, id LIMIT 1) AS newer) AS is_behind
FROM folds WHERE name = %(name)s
"""
FORGET = "DELETE FROM folds WHERE name = %s"

State = dict[str, Any]
Step = Callable[[State, State], State]


@dataclass(frozen=True)
class Fold:
    """A state, and the last event that it knows of."""

    cursor: tuple[Any, int]
    state: State


async def is_current(connection: Rows, name: str, kinds: list[str], known: Fold) -> bool:
    """Return whether a fold that was read before is still all there is to know."""
    row = await (await connection.execute(PEEK, {"name": name, "kinds": kinds})).fetchone()
    return row is not None and not row["is_behind"] and (row["xid"], row["id"]) == known.cursor


async def advance(connection: Rows, name: str, kinds: list[str], step: Step) -> State:
    """Fold the events that are new and certain into the state, and return it.

    `step(state, event)` gets the event's body, with `kind` and `at` (ISO 8601) beside it.
    """
    return (await read(connection, name, kinds, step)).state


async def read(connection: Rows, name: str, kinds: list[str], step: Step) -> Fold:
    """Do what `advance` does, and return the state with its cursor."""
    fold = await (await connection.execute(READ, [name])).fetchone()
    if fold is None:
        await connection.execute(START, [name, kinds])
    elif not await _next(connection, fold, kinds):
        return Fold((fold["xid"], fold["id"]), dict(fold["state"]))
    fold = await (await connection.execute(LOCK, [name])).fetchone()
    assert fold is not None
    state: State = fold["state"]
    while rows := await _next(connection, fold, kinds):
        for row in rows:
            state = step(state, row["body"] | {"kind": row["kind"], "at": row["at"].isoformat()})
        fold = rows[-1]
        if len(rows) < BATCH:
            break
    await connection.execute(STORE, [fold["xid"], fold["id"], Jsonb(state), kinds, name])
    return Fold((fold["xid"], fold["id"]), state)


async def _next(connection: Rows, fold: State, kinds: list[str]) -> list[State]:
    wanted = {"kinds": kinds, "xid": fold["xid"], "id": fold["id"]}
    return await (await connection.execute(NEXT, wanted)).fetchall()


async def rebuild(connection: Rows, name: str) -> None:
    """Forget the state: the next `advance` computes it from the first event on."""
    await connection.execute(FORGET, [name])
