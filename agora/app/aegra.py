"""Aegra, as Agora runs it: the LangGraph protocol on our PostgreSQL.

What it lacks is added here and in `web.waiting`: it asks for no durability, two servers may not
prepare one database at once, a server that stops tells callers that their runs are over, and what
nobody has read of a run's stream is kept in memory for ever.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from psycopg import AsyncConnection

from agora.app.takeover import goes_on, has_failed, output_of
from agora.domain.contracts import Json
from agora.domain.errors import AgoraError, ClaimLostError
from memory.checkpoints import open_saver

CONFIGURATION = Path(__file__).parents[2] / "config" / "server.json"
CONNECTIONS = 10
"""How many Aegra's checkpoints and events have; its own rows have `ROWS_CONNECTIONS` more."""
ROWS_CONNECTIONS = 5
LOOK_S = 0.5
READ_S = 60.0
"""How long after its end the stream of a run is kept, for who has asked and begins to read."""
LOCK = "SELECT pg_try_advisory_lock(2029)"
DURABILITY = {"__pregel_durability": "sync"}  # how LangGraph itself hands it to subgraphs


def configure(url: str, log_level: str) -> None:
    """Say what Aegra would read from the environment; before anything else of it is imported."""
    from aegra_api.settings import settings

    settings.db.DATABASE_URL = url
    settings.app.AEGRA_CONFIG = str(CONFIGURATION)
    settings.app.ENV_MODE, settings.app.LOG_LEVEL = "PRODUCTION", log_level
    settings.pool.LANGGRAPH_MAX_POOL_SIZE = CONNECTIONS
    settings.pool.SQLALCHEMY_POOL_SIZE = ROWS_CONNECTIONS


async def prepare(url: str) -> None:
    """Make Aegra's tables, or bring them up to date."""
    from aegra_api.core.migrations import run_migrations
    from langgraph.store.postgres.aio import AsyncPostgresStore

    async with open_saver(url):
        pass
    async with alone(url):
        await asyncio.to_thread(run_migrations)
        async with AsyncPostgresStore.from_conn_string(url) as store:
            await store.setup()


@asynccontextmanager
async def alone(url: str) -> AsyncIterator[None]:
    """Let one server at a time write what all of them begin with: Aegra looks first, then writes.

    The lock goes with its connection.
    """
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        # By trying: the snapshot of one who waits would block CREATE INDEX CONCURRENTLY.
        while await (await connection.execute(LOCK)).fetchone() != (True,):
            await asyncio.sleep(LOOK_S)
        yield


def application() -> FastAPI:
    """Return the server's app: our routes, then Aegra's."""
    import aegra_api.main

    from web import waiting

    _log_to_stderr()
    _make_durable()
    _follow_elsewhere()
    drop_streams()
    app: FastAPI = aegra_api.main.app
    app.router.routes[:0] = waiting.router.routes
    return app


def _log_to_stderr() -> None:
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)


def _make_durable() -> None:
    """Store each step before the next one: a takeover must find what a claim has seen."""
    from aegra_api.api import runs

    plain = runs.create_run_config

    def durable(*arguments: Any) -> Any:
        config = plain(*arguments)
        return config | {"configurable": config["configurable"] | DURABILITY}

    runs.create_run_config = durable


def _follow_elsewhere() -> None:
    """Give the end of a run also when another process has taken it over from this one."""
    from aegra_api.api import runs

    plain = runs.stream_graph_events

    async def followed(**named: Any) -> AsyncIterator[Any]:
        try:
            async for event in plain(**named):
                yield event
        except ClaimLostError:
            yield "values", await _end(named["graph"], named["config"])

    runs.stream_graph_events = followed


def drop_streams() -> None:
    """Drop what a run has streamed some time after its end; its events stay in the database."""
    from aegra_api.services.broker import broker_manager
    from aegra_api.services.streaming_service import streaming_service

    plain = streaming_service.cleanup_run

    def drop(run_id: str) -> None:
        broker_manager.remove_broker(run_id)
        streaming_service.event_counters.pop(run_id, None)

    async def ended(run_id: str) -> None:
        await plain(run_id)
        asyncio.get_running_loop().call_later(READ_S, drop, run_id)

    streaming_service.cleanup_run = ended


async def _end(graph: Any, config: Any) -> Json:
    while goes_on(state := await graph.aget_state(config)):
        await asyncio.sleep(LOOK_S)
    if has_failed(state):
        raise AgoraError("; ".join(str(task.error) for task in state.tasks if task.error))
    return output_of(graph, state)


def running() -> dict[str, asyncio.Task[None]]:
    """Return the runs of this process that have not ended, by their ids."""
    from aegra_api.api import runs

    return {run_id: task for run_id, task in runs.active_runs.items() if not task.done()}


async def let_go() -> list[str]:
    """Cut off the runs that go on, for others to take over; return their ids.

    Their rows go on saying that they run, because they do: elsewhere, from the last checkpoint.
    """
    from aegra_api.api import runs

    runs.update_run_status = runs.set_thread_status = _say_nothing
    left = running()
    for task in left.values():
        task.cancel()
    if left:
        await asyncio.wait(left.values(), timeout=5)
    return list(left)


async def _say_nothing(*arguments: Any, **named: Any) -> None:
    """Stand in for what would tell callers that a run is over."""
