import asyncio
import operator
from typing import Annotated, Any, Literal, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import NodeTimeoutError
from langgraph.graph import START, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt

from agora.domain.errors import ClaimHeldError, ClaimLostError
from agora.team import Team
from agora.team.acting import case
from graphs.improvement import graph as improvement
from memory import claims
from nodes import stage as stages
from nodes.stage import stage
from tests.conftest import ask
from tests.running import Hire, thread

LEASE_S = 1.5  # longer than a busy machine lets a heart wait


class Parts(TypedDict, total=False):
    part: float
    seen: Annotated[list[float], operator.add]


@pytest.fixture(autouse=True)
def team(hire: Hire) -> Team:
    return hire(local=(), **{"stage.lease_s": LEASE_S}).team


async def claim_of(team: Team, on: str) -> Any:
    query = "SELECT token, is_open, holder, stage FROM claims WHERE thread_id = %s"
    (row,) = await ask(team, query, on)
    return row


async def until_claimed(team: Team, on: str) -> None:
    while not await ask(team, "SELECT FROM claims WHERE thread_id = %s", on):
        await asyncio.sleep(0.01)


def compiled(*nodes: Any, **options: Any) -> Any:
    """A graph that begins with the first node; each leaves by Command."""
    builder = StateGraph(Parts)
    for node in nodes:
        builder.add_node(node.__name__, node, **options)
    return builder.add_edge(START, nodes[0].__name__).compile(checkpointer=InMemorySaver())


@stage
async def sleeping(state: Parts) -> Command[Literal["__end__"]]:
    await asyncio.sleep(state["part"])
    return Command(goto="__end__")


@stage
async def spreading(state: Parts) -> Command[Literal["taking"]]:
    return Command(goto=[Send("taking", {"part": part}) for part in range(3)])


@stage
async def taking(state: Parts, config: RunnableConfig) -> Command[Literal["asking"]]:
    assert config["configurable"]["thread_id"]
    await asyncio.sleep(LEASE_S * state["part"])
    return Command(update={"seen": [state["part"]]}, goto="asking")


@stage
async def asking(state: Parts) -> Command[Literal["__end__"]]:
    interrupt("well?")
    return Command(goto="__end__")


def test_the_drawn_edges_survive_the_decorator() -> None:
    edges = {(edge.source, edge.target) for edge in improvement.compile().get_graph().edges}
    assert ("approval", "deploying") in edges and ("deploying", "__end__") in edges


async def test_parallel_stages_share_one_claim_and_an_interrupt_opens_it(team: Team) -> None:
    app = compiled(spreading, taking, asking)
    running = asyncio.create_task(app.ainvoke({}, thread("parallel")))
    await until_claimed(team, "parallel")
    await asyncio.sleep(LEASE_S)  # the longest part still works: the heartbeat has renewed
    during = await claim_of(team, "parallel")
    assert (await running)["seen"] == [0, 1, 2]
    after = await claim_of(team, "parallel")
    assert not during["is_open"] and after["is_open"]
    assert (after["token"], after["holder"]) == (during["token"], during["holder"])

    await app.ainvoke(Command(resume="yes"), thread("parallel"))
    resumed = await claim_of(team, "parallel")
    assert resumed["token"] > after["token"] and resumed["is_open"] and not stages._tenures


async def test_each_stage_tells_its_entry_and_exit_under_one_id(team: Team) -> None:
    await compiled(spreading, taking, asking).ainvoke({}, thread("told"))
    rows = await ask(team, "SELECT kind, correlation_id, body->>'stage' AS stage FROM events")
    told = [(row["kind"], row["stage"]) for row in rows]
    assert told.count(("stage.entered", "taking")) == told.count(("stage.left", "taking")) == 3
    assert ("stage.left", "asking") not in told, "an interrupted stage has not done its work"


async def test_a_stage_knows_its_case(team: Team) -> None:
    seen = []

    @stage
    async def looking(state: Parts) -> Command[Literal["__end__"]]:
        seen.append(case.get())
        return Command(goto="__end__")

    await compiled(looking).ainvoke({"part": 0}, thread("case"))
    (here,) = seen
    assert (here.thread_id, here.stage, here.round) == ("case", "looking", 0)
    assert here.token == (await claim_of(team, "case"))["token"] and len(here.id) == 16
    again = compiled(looking)
    await again.ainvoke({"part": 0}, thread("case again"))
    assert seen[1].id != here.id, "another run is another case"


async def test_a_subgraph_works_inside_the_claim_and_its_end_is_not_the_end(team: Team) -> None:
    inner = compiled(sleeping)
    opened = []

    @stage
    async def outer(state: Parts) -> Command[Literal["__end__"]]:
        await inner.ainvoke({"part": 0})
        await asyncio.sleep(2 * LEASE_S)  # the heartbeat goes on
        opened.append(await claim_of(team, "nested"))
        async with team.database.transaction() as connection:
            left = [row["thread_id"] for row in await claims.abandoned(connection)]
        assert "nested" not in left
        return Command(goto="__end__")

    await compiled(outer).ainvoke({"part": 0}, thread("nested"))
    assert [(one["is_open"], one["stage"]) for one in opened] == [(False, "outer")]
    assert (await claim_of(team, "nested"))["is_open"]


async def test_two_runs_of_one_thread_do_not_both_work(team: Team) -> None:
    app = compiled(sleeping)
    first = asyncio.create_task(app.ainvoke({"part": 300}, thread("twice")))
    await until_claimed(team, "twice")
    with pytest.raises(ClaimHeldError, match="another run works on thread twice"):
        await app.ainvoke({"part": 0}, thread("twice"))
    first.cancel()
    await asyncio.wait({first})
    assert not stages._tenures


async def test_a_dead_holder_is_waited_for_no_longer_than_its_lease(team: Team) -> None:
    await ask(
        team,
        "INSERT INTO claims (thread_id, stage, holder, token, checkpoint_id, expires_at) VALUES "
        "('dead', 'sleeping', 'nobody', 0, '', clock_timestamp() + interval '0.3 s') RETURNING 1",
    )
    await asyncio.wait_for(compiled(sleeping).ainvoke({"part": 0}, thread("dead")), 60)
    assert (await claim_of(team, "dead"))["holder"] != "nobody"


async def test_a_body_stops_when_its_claim_is_lost(team: Team) -> None:
    running = asyncio.create_task(compiled(sleeping).ainvoke({"part": 300}, thread("lost")))
    await until_claimed(team, "lost")
    await ask(team, "UPDATE claims SET token = token + 1000 WHERE thread_id = 'lost' RETURNING 1")
    done, _ = await asyncio.wait({running}, timeout=60)
    assert done, "nobody has stopped the body"
    with pytest.raises(ClaimLostError):
        await running
    assert not (await claim_of(team, "lost"))["is_open"], "it is the other one's"


async def test_a_cancelled_run_lets_others_in(team: Team) -> None:
    running = asyncio.create_task(compiled(sleeping).ainvoke({"part": 300}, thread("cancelled")))
    await until_claimed(team, "cancelled")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await claim_of(team, "cancelled"))["is_open"]


async def test_a_failed_run_lets_others_in(team: Team) -> None:
    @stage
    async def failing(state: Parts) -> Command[Literal["__end__"]]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await compiled(failing).ainvoke({"part": 0}, thread("failed"))
    assert (await claim_of(team, "failed"))["is_open"] and not stages._tenures


async def test_a_timeout_and_its_retry_stay_with_one_holder(team: Team) -> None:
    policy = RetryPolicy(max_attempts=2, initial_interval=0.01, retry_on=NodeTimeoutError)
    app = compiled(sleeping, timeout=1.5, retry_policy=policy)
    with pytest.raises(NodeTimeoutError):
        await app.ainvoke({"part": 300}, thread("slow"))
    async with asyncio.timeout(60):  # LangGraph cancels the body and does not wait for its end
        while not (await claim_of(team, "slow"))["is_open"]:
            await asyncio.sleep(0.02)
    entered = await ask(team, "SELECT FROM events WHERE kind = 'stage.entered'")
    assert len(entered) == 2, "the retry was let in"


async def test_a_stale_run_is_refused_after_another_went_further(team: Team) -> None:
    await compiled(sleeping).ainvoke({"part": 0}, thread("stale"))
    query = "UPDATE claims SET checkpoint_id = 'f' WHERE thread_id = 'stale' RETURNING 1"
    await ask(team, query)
    with pytest.raises(ClaimHeldError):
        await compiled(sleeping).ainvoke({"part": 0}, thread("stale"))
