from datetime import timedelta
from operator import add
from typing import Annotated, Any

import pytest
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from agora.team import Team
from memory import upkeep
from memory.upkeep import SWEEPS, Freed
from tests.conftest import ask
from tests.running import thread

NONE = timedelta(0)
LIMITS: dict[str, Any] = {
    "stream": timedelta(days=30),
    "channel": timedelta(hours=1),
    "acts": timedelta(days=90),
    "history": NONE,
    "kept": ["outcome.judged"],
}
STORED = """
SELECT (SELECT coalesce(sum(pg_column_size(checkpoint) + pg_column_size(metadata)), 0)
        FROM checkpoints)
     + (SELECT coalesce(sum(pg_column_size(blob)), 0) FROM checkpoint_blobs)
     + (SELECT coalesce(sum(pg_column_size(blob)), 0) FROM checkpoint_writes) AS bytes
"""
CHECKPOINTS = ("checkpoints", "checkpoint writes", "checkpoint values")


async def sweep(team: Team, *names: str) -> Freed:
    """Remove all of these, after having counted them."""
    planned, gone = Freed(), Freed()
    for name in names:
        async with team.database.autocommit() as connection:
            planned += await upkeep.count(connection, SWEEPS[name], LIMITS)
    for name in names:
        batch = Freed(1)
        while batch.rows:
            async with team.database.autocommit() as connection:
                batch = await upkeep.remove(connection, SWEEPS[name], LIMITS)
            gone += batch
    assert gone == planned, "a dry run says what is done"
    return gone


class Counted(TypedDict, total=False):
    step: int
    body: str
    seen: Annotated[list[int], add]
    said: str


def looping(saver: Any, steps: int, size: int) -> Any:
    """Return a graph that changes all of its state so many times, and then asks."""

    async def going(state: Counted) -> Counted:
        step = state.get("step", 0) + 1
        return {"step": step, "body": f"{step:09d}" * (size // 9), "seen": [step]}

    async def asking(state: Counted) -> Counted:
        return {"said": interrupt("well?")}

    def onward(state: Counted) -> str:
        return "asking" if state["step"] >= steps else "going"

    return (
        StateGraph(Counted)
        .add_node("going", going)
        .add_node("asking", asking)
        .add_edge(START, "going")
        .add_conditional_edges("going", onward, ["going", "asking"])
        .compile(checkpointer=saver)
    )


async def stored(team: Team) -> int:
    return int((await ask(team, STORED))[0]["bytes"])


async def test_a_thread_that_waits_keeps_what_it_is_resumed_from(team: Team, saver: Any) -> None:
    graph = looping(saver, 30, 20_000)
    await graph.ainvoke({}, thread("one") | {"recursion_limit": 100}, durability="sync")
    before, whole = await graph.aget_state(thread("one")), await stored(team)
    await sweep(team, *CHECKPOINTS)
    after = await graph.aget_state(thread("one"))
    assert after.values == before.values and after.tasks == before.tasks and after.tasks
    assert await stored(team) < whole / 10
    done = await graph.ainvoke(Command(resume="yes"), thread("one"), durability="sync")
    assert done["said"] == "yes" and done["seen"] == list(range(1, 31))


async def test_a_thread_that_has_ended_keeps_its_newest_checkpoint_and_goes_on_talking(
    team: Team, saver: Any
) -> None:
    graph = looping(saver, 10, 900)
    for name in "one", "two":
        await graph.ainvoke({}, thread(name), durability="sync")
        await graph.ainvoke(Command(resume="yes"), thread(name), durability="sync")
    before = await graph.aget_state(thread("one"))
    await sweep(team, *CHECKPOINTS)
    assert (await graph.aget_state(thread("one"))).values == before.values
    count = "SELECT thread_id, count(*) AS n FROM checkpoints GROUP BY 1 ORDER BY 1"
    assert [row["n"] for row in await ask(team, count)] == [1, 1]
    assert await ask(team, "SELECT FROM checkpoint_writes") == []
    again = await graph.ainvoke({"step": 8}, thread("one"), durability="sync")
    assert again["step"] == 10 and again["seen"][:10] == list(range(1, 11))


async def test_a_run_inside_a_subgraph_keeps_its_place(team: Team, saver: Any) -> None:
    inner: Any = looping(None, 5, 900)
    inner = inner.builder.compile()
    outer: Any = (
        StateGraph(Counted)
        .add_node("before", lambda state: {"body": "outside"})
        .add_node("inner", inner)
        .add_edge(START, "before")
        .add_edge("before", "inner")
        .compile(checkpointer=saver)
    )
    await outer.ainvoke({}, thread("one"), durability="sync")
    await sweep(team, *CHECKPOINTS)
    done = await outer.ainvoke(Command(resume="yes"), thread("one"), durability="sync")
    assert done["said"] == "yes" and done["seen"][-5:] == list(range(1, 6))
    await sweep(team, *CHECKPOINTS)
    names = await ask(team, "SELECT checkpoint_ns FROM checkpoints")
    assert names == [{"checkpoint_ns": ""}], "what a subgraph has done is over with it"
    blobs = await ask(team, "SELECT FROM checkpoint_blobs WHERE checkpoint_ns <> ''")
    assert blobs == []


async def test_the_history_of_recent_checkpoints_is_kept(team: Team, saver: Any) -> None:
    graph = looping(saver, 5, 900)
    await graph.ainvoke({}, thread("one"), durability="sync")
    async with team.database.autocommit() as connection:
        kept = LIMITS | {"history": timedelta(days=1)}
        for name in CHECKPOINTS:
            assert await upkeep.remove(connection, SWEEPS[name], kept) == Freed()


async def test_what_is_kept_of_the_history_can_still_be_read(team: Team, saver: Any) -> None:
    graph = looping(saver, 8, 900)
    await graph.ainvoke({}, thread("one"), durability="sync")
    before = [one async for one in graph.aget_state_history(thread("one"))]
    age = """UPDATE checkpoints SET checkpoint = jsonb_set(checkpoint, '{ts}', '"2020-01-01"')
             WHERE checkpoint_id < %s RETURNING 1"""
    await ask(team, age, before[3].config["configurable"]["checkpoint_id"])
    async with team.database.autocommit() as connection:
        for name in CHECKPOINTS:
            limits = LIMITS | {"history": timedelta(days=1)}
            assert (await upkeep.remove(connection, SWEEPS[name], limits)).rows
    after = [one async for one in graph.aget_state_history(thread("one"))]
    assert [one.values for one in after] == [one.values for one in before[:4]]


async def test_the_thread_of_a_living_run_is_left_alone(team: Team, saver: Any) -> None:
    graph = looping(saver, 5, 900)
    await graph.ainvoke({}, thread("one"), durability="sync")
    await team.holding.announce("one", "going", {}, timedelta(seconds=30))
    assert await sweep(team, *CHECKPOINTS) == Freed()
    await ask(team, "UPDATE claims SET expires_at = '2000-01-01' RETURNING 1")
    assert (await sweep(team, *CHECKPOINTS)).rows


OLD = "UPDATE events SET at = now() - interval '31 days' RETURNING 1"


async def kinds(team: Team) -> list[str]:
    return [row["kind"] for row in await ask(team, "SELECT kind FROM events ORDER BY id")]


async def test_old_events_go_but_for_those_that_folds_read_or_groups_have_yet_to(
    team: Team,
) -> None:
    for kind in "stage.left", "outcome.judged", "act.ask_model":
        await team.stream.publish("case", kind, {})
    async with team.stream.consume("readers") as consumer:
        (first, *_) = (await consumer.next()).events
        await consumer.acknowledge(first)
    await ask(team, OLD)
    await team.stream.publish("case", "stage.left", {})
    await sweep(team, "groups of consumers", "events")
    assert await kinds(team) == ["outcome.judged", "act.ask_model", "stage.left"]
    async with team.stream.consume("readers") as consumer:
        assert len((await consumer.next()).events) == 3
        await consumer.acknowledge(consumer.position)
    await sweep(team, "events")
    assert await kinds(team) == ["outcome.judged", "stage.left"]


async def test_a_group_that_nobody_reads_for_any_more_holds_nothing_up(team: Team) -> None:
    await team.stream.publish("case", "stage.left", {})
    async with team.stream.consume("gone"):
        pass
    await ask(team, OLD)
    assert not (await sweep(team, "groups of consumers", "events")).rows
    await ask(team, "UPDATE cursors SET expires_at = now() - interval '31 days' RETURNING 1")
    assert (await sweep(team, "groups of consumers")).rows == 1
    assert (await sweep(team, "events")).rows == 1


async def test_a_fold_of_somebody_elses_keeps_its_events_too(team: Team) -> None:
    from memory import folds

    await team.stream.publish("case", "mine", {})
    async with team.database.transaction() as connection:
        await folds.advance(connection, "mine", ["mine"], lambda state, event: {"seen": 1})
    await ask(team, OLD)
    assert not (await sweep(team, "events")).rows


async def test_a_channel_vanishes_some_time_after_its_last_event(team: Team) -> None:
    for channel in "room:1", "room:2":
        await team.stream.publish("case", "vote", 1, channel=channel)
    await ask(team, "UPDATE events SET at = now() - interval '2 hours' RETURNING 1")
    await team.stream.publish("case", "vote", 2, channel="room:2")
    assert (await sweep(team, "temporary channels")).rows == 1
    assert {one.channel for one in await team.stream.kept(channel="room:2")} == {"room:2"}
    assert await team.stream.kept(channel="room:1") == []


ACT = """
INSERT INTO acts (key, case_id, kind, subject, actor, budgets, status, reserved_usd, cost_usd,
                  tokens, ended_at)
VALUES (%s, %s, 'ask_model', 'm', 'risk@m', '{}', %s, 0, %s, %s, now() - interval '91 days')
RETURNING 1
"""
TASK = """
INSERT INTO tasks (id, thread_id, tenant, body, status) VALUES (%s, 'one', 'default', '{}', %s)
RETURNING 1
"""


async def test_acts_of_cases_that_are_over_are_summed_up_and_cost_what_they_did(
    team: Team,
) -> None:
    from agora.app.reports import figures

    await ask(team, TASK, "over", "answered")
    await ask(team, TASK, "alive", "open")
    for number in range(5):
        await ask(team, ACT, f"over/{number}", "over", "done", 0.001, 10)
    await ask(team, ACT, "alive/1", "alive", "done", 0.001, 10)
    await ask(team, ACT, "unknown/1", "unknown", "done", 0.001, 10)
    await ask(team, ACT, "over/open", "over", "open", 0.001, 10)
    before = await figures(team)
    assert (await sweep(team, "acts")).rows == 5
    assert await figures(team) == before and before["tokens"] == 80
    kept = await ask(team, "SELECT key FROM acts ORDER BY key")
    assert [row["key"] for row in kept] == ["alive/1", "over/open", "unknown/1"]
    (total,) = await ask(team, "SELECT acts, actor FROM act_totals")
    assert total == {"acts": 5, "actor": "risk@m"}
    await ask(team, TASK, "later", "answered")
    await ask(team, ACT, "later/1", "later", "done", 0.001, 10)
    await sweep(team, "acts")
    assert await ask(team, "SELECT acts, tokens FROM act_totals") == [{"acts": 6, "tokens": 60}]


@pytest.mark.parametrize("name", SWEEPS)
async def test_nothing_is_done_where_there_is_nothing(team: Team, name: str) -> None:
    assert await sweep(team, name) == Freed()
