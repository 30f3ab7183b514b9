"""What the task graph makes of servers that fail: a fallback, or one clear error in time."""

import asyncio
from collections.abc import Callable

import pytest

import agora.domain.attempts  # noqa: F401  # loads the clients now, not while a test is timed
from tests.conftest import ask
from tests.model_answers import Exchange
from tests.running import CLOUD, Hire, thread

QUESTION = "What is the capital of France?"
LOCAL = "qwen3:8b"


def whoever_is_asked_first(fault: str) -> Callable[[Exchange], str | None]:
    """Strike all requests to the model that gets the first one."""
    struck: list[str] = []

    def strike(exchange: Exchange) -> str | None:
        struck[:] = struck or [exchange.model]
        return fault if exchange.model in struck else None

    return strike


@pytest.mark.parametrize("fault", ["hang", "silent", "keep_alive", "stall", "drip"])
async def test_who_does_not_end_leaves_time_for_another(hire: Hire, fault: str) -> None:
    staff = hire(cloud=True)
    staff.server.fault = whoever_is_asked_first(fault)
    outcome = await staff.ask(QUESTION, deadline_s=12)  # nine of them for the first
    assert (outcome["status"], outcome["answer"]) == ("answered", "forty-two"), outcome
    assert {one.model for one in staff.server.exchanges} == {LOCAL, CLOUD}


@pytest.mark.parametrize("struck", [LOCAL, CLOUD])
async def test_a_fallback_that_was_never_tried_is_not_too_slow(hire: Hire, struck: str) -> None:
    staff = hire(cloud=True)
    staff.server.fault = lambda exchange: "404" if exchange.model == struck else None
    outcome = await staff.ask(QUESTION, deadline_s=4)
    assert outcome["status"] == "answered", outcome


async def test_an_overflow_by_a_short_task_says_nothing_of_smaller_contexts(hire: Hire) -> None:
    staff = hire(cloud=True)
    staff.server.fault = lambda exchange: "context" if exchange.model == CLOUD else None
    outcome = await staff.ask(QUESTION, deadline_s=6)  # too little for the local one to be first
    assert (outcome["status"], outcome["model"]) == ("answered", LOCAL), outcome


async def test_a_judge_that_hangs_takes_no_answer_and_holds_no_money(hire: Hire) -> None:
    staff = hire(local=(), cloud=True)
    await staff.ask("How deep is the lake behind the old mill in winter?")
    staff.server.fault = lambda exchange: "hang" if "both questions" in exchange.prompt else None
    asked = "In winter, how deep is the lake behind the mill that is old?"
    outcome = await staff.ask(asked, on="two", deadline_s=8)
    assert any(one.fault == "hang" for one in staff.server.exchanges), "nobody was asked to judge"
    assert outcome["status"] == "answered" and not outcome["cached"], outcome
    (held,) = await ask(staff.team, "SELECT sum(reserved_usd)::float8 AS usd FROM budgets")
    opened = await ask(staff.team, "SELECT key FROM acts WHERE status = 'open'")
    assert (held["usd"], opened) == (0.0, [])


async def test_nobody_waits_long_for_a_server_that_is_busy(hire: Hire) -> None:
    staff = hire(cloud=True)
    staff.server.manner.retry_after = "60"
    staff.server.fault = whoever_is_asked_first("429")
    async with asyncio.timeout(50):  # less than it asks for
        assert (await staff.ask(QUESTION))["status"] == "answered"


@pytest.mark.parametrize("cloud", [True, False])
@pytest.mark.parametrize("fault", ["hang", "stall"])
async def test_cancelling_a_run_closes_its_connection(hire: Hire, fault: str, cloud: bool) -> None:
    staff = hire(local=() if cloud else (LOCAL,), cloud=cloud)
    staff.server.fail(fault)
    running = asyncio.ensure_future(staff.ask(QUESTION))
    async with asyncio.timeout(60):
        while not any(one.tokens_out or fault == "hang" for one in staff.server.exchanges):
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        while not staff.server.hang_ups:
            await asyncio.sleep(0.01)
    # What nobody has seen the end of is judged and paid for by whoever takes the thread over.
    outcome = (await staff.task.ainvoke(None, thread("one"), durability="sync"))["outcome"]
    assert outcome["status"] == "answered" and outcome["is_estimate"]
