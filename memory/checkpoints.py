"""Checkpoints of graphs: rows in the same PostgreSQL, written by LangGraph's own saver."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from agora.domain.settings import load
from memory.database import RECONNECT_S, Database, check, choose_postgres

CONNECTIONS = 2  # the saver does one thing at a time; the second one is for its set-up
IS_THERE = "SELECT to_regclass('checkpoint_migrations') IS NOT NULL AS is_there"
VERSION = "SELECT coalesce(max(v), -1) AS v FROM checkpoint_migrations"
TRY = "SELECT pg_try_advisory_lock(2028) AS is_ours"
UNLOCK = "SELECT pg_advisory_unlock(2028)"
DELETE_WRITES = """
DELETE FROM checkpoint_writes AS written USING checkpoints AS point
WHERE point.thread_id = written.thread_id AND point.checkpoint_ns = written.checkpoint_ns
  AND point.checkpoint_id = written.checkpoint_id AND point.metadata->>'run_id' = ANY(%s)
"""
DELETE_CHECKPOINTS = "DELETE FROM checkpoints WHERE metadata->>'run_id' = ANY(%s)"


@asynccontextmanager
async def open_saver(url: str) -> AsyncIterator[AsyncPostgresSaver]:
    """Yield a saver for the running event loop, with its tables in place."""
    options: dict[str, Any] = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    async with AsyncConnectionPool[AsyncConnection[DictRow]](
        url,
        min_size=1,
        max_size=CONNECTIONS,
        open=False,
        kwargs=options,
        check=check,
        reconnect_timeout=RECONNECT_S,
    ) as pool:
        saver = Saver(pool)
        await _prepare(saver, pool)
        yield saver


class Saver(AsyncPostgresSaver):
    """The stock saver, and what `multitask_strategy="rollback"` of the server asks of it."""

    async def adelete_for_runs(self, run_ids: Any) -> None:
        """Delete what runs have left, by the run id in their metadata."""
        wanted = [[str(run_id) for run_id in run_ids]]
        async with self._cursor() as cursor:
            await cursor.execute(DELETE_WRITES, wanted)
            await cursor.execute(DELETE_CHECKPOINTS, wanted)


async def _prepare(saver: AsyncPostgresSaver, pool: Any) -> None:
    async with pool.connection() as connection:
        if await _version(connection) == len(saver.MIGRATIONS) - 1:
            return
        # By trying, not by waiting: a waiter's snapshot would block CREATE INDEX CONCURRENTLY.
        while not (await (await connection.execute(TRY)).fetchone())["is_ours"]:
            await asyncio.sleep(0.05)
        try:
            await saver.setup()
        finally:
            await connection.execute(UNLOCK)


async def _version(connection: Any) -> int:
    if (await (await connection.execute(IS_THERE)).fetchone())["is_there"]:
        row = await (await connection.execute(VERSION)).fetchone()
        return int(row["v"])
    return -1


@asynccontextmanager
async def make() -> AsyncIterator[AsyncPostgresSaver]:
    """Yield the saver that langgraph.json names."""
    async with open_saver(await Database(choose_postgres(load(os.environ))).url()) as saver:
        yield saver
