import asyncio
from typing import Any, TypedDict

import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph

from memory.checkpoints import CONNECTIONS, Saver, make, open_saver
from tests.conftest import _create, _named


class Count(TypedDict):
    n: int


def plus(state: Count) -> Count:
    return {"n": state["n"] + 1}


def counting(saver: Any) -> Any:
    return StateGraph(Count).add_node("plus", plus).add_edge(START, "plus").compile(saver)


def thread(name: str, **metadata: Any) -> RunnableConfig:
    return {"configurable": {"thread_id": name}, "metadata": metadata}


async def test_a_state_outlives_its_saver(url: str) -> None:
    async with open_saver(url) as saver:
        await counting(saver).ainvoke({"n": 1}, thread("a"), durability="sync")
    async with open_saver(url) as saver:
        assert (await counting(saver).aget_state(thread("a"))).values == {"n": 2}


async def test_savers_that_start_at_once_prepare_the_tables_once(server: str) -> None:
    _create(server, "bare", "template1")

    async def use() -> None:
        async with open_saver(_named(server, "bare")) as saver:
            await counting(saver).ainvoke({"n": 1}, thread("a"), durability="sync")

    await asyncio.gather(*(use() for _ in range(3)))
    with psycopg.connect(_named(server, "bare")) as connection:
        rows = connection.execute("SELECT v, count(*) FROM checkpoint_migrations GROUP BY v")
        assert [count for _, count in rows] == len(Saver.MIGRATIONS) * [1]


async def test_many_runs_share_few_connections(url: str) -> None:
    async with open_saver(url) as saver:
        app = counting(saver)
        runs = [app.ainvoke({"n": 1}, thread(str(n)), durability="sync") for n in range(10)]
        await asyncio.gather(*runs)
        with psycopg.connect(url) as other:
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            row = other.execute(query).fetchone()
        assert row and row[0] - 1 <= CONNECTIONS


async def test_what_one_run_has_left_can_be_deleted(url: str) -> None:
    async with open_saver(url) as saver:
        app = counting(saver)
        for run in ("first", "second"):
            await app.ainvoke({"n": 1}, thread(run, run_id=run), durability="sync")
        assert isinstance(saver, Saver)
        await saver.adelete_for_runs(["first"])
        assert (await app.aget_state(thread("first"))).created_at is None
        assert (await app.aget_state(thread("second"))).values == {"n": 2}
    with psycopg.connect(url) as connection:
        query = "SELECT DISTINCT thread_id FROM checkpoint_writes"
        assert connection.execute(query).fetchall() == [("second",)]


async def test_the_saver_of_the_server_finds_the_database_by_itself(
    url: str, monkeypatch: Any
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    async with make() as saver:
        await counting(saver).ainvoke({"n": 1}, thread("a"), durability="sync")
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT FROM checkpoints").rowcount > 0
