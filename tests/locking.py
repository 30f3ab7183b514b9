"""Locks: in which order work takes them, and a transaction that takes them the other way round."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, LiteralString

from psycopg import sql

from agora.team import Team
from memory.database import Rows
from tests.conftest import ask

WAITING = """
SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
# An update writes the row anew, behind all others: what has no order comes to it last.
BEHIND = "UPDATE {table} SET {column} = {column} WHERE {key} = %s RETURNING 1"
ANALYZE = "ANALYZE {table}"  # known to be small, a table is read as it lies
HOLD = "SELECT FROM {table} WHERE {key} = %s FOR UPDATE"
FREE = "SELECT {key} AS key FROM {table} FOR UPDATE SKIP LOCKED"
EVERY = "SELECT {key} AS key FROM {table}"
Work = Callable[[Rows], Awaitable[Any]]


async def until_one_waits(team: Team) -> None:
    """Return once a connection waits for a lock of another one."""
    async with asyncio.timeout(20):
        while not await ask(team, WAITING):
            await asyncio.sleep(0.01)


async def locked_early(team: Team, place: str, first: Any, work: Work) -> list[Any]:
    """Return which rows `work` has locked when it comes to the `first` one, which another holds.

    `place` says "table key column": its primary key, and any column that may be written.
    """
    names = dict(zip(("table", "key", "column"), map(sql.Identifier, place.split()), strict=True))

    def query(text: str) -> sql.Composed:
        return sql.SQL(text).format(**names)

    async def in_one_transaction() -> None:
        async with team.database.transaction() as connection:
            await work(connection)

    await ask(team, query(BEHIND), first)
    async with team.database.transaction() as holding:
        await holding.execute(query(ANALYZE))
    async with team.database.transaction() as holding:
        await holding.execute(query(HOLD), [first])
        working = asyncio.create_task(in_one_transaction())
        await until_one_waits(team)
        free = [row["key"] for row in await ask(team, query(FREE))]
        every = [row["key"] for row in await ask(team, query(EVERY))]
    await working
    return sorted(set(every) - {*free, first})


@asynccontextmanager
async def crossing(team: Team, lock: LiteralString, last: Any, first: Any) -> AsyncIterator[None]:
    """Hold the `last` row; let others come from the `first` to it, and then take that one.

    It never gives way: PostgreSQL breaks whoever else is part of the deadlock. `lock` takes a row.
    """
    async with team.database.transaction() as connection:
        await connection.execute("SET LOCAL deadlock_timeout = '1h'")
        await connection.execute("SET LOCAL lock_timeout = '20s'")
        await connection.execute(lock, [last])
        yield
        await until_one_waits(team)
        await connection.execute(lock, [first])
