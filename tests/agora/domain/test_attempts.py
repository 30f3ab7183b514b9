import asyncio
from collections.abc import Callable, Iterator

import pytest

from agora.domain import attempts, faults
from agora.domain.faults import ModelFault
from tests.asking import NAMES, PRICES, asked, fault_of, model_of
from tests.model_server import ModelServer

BOTH = pytest.mark.parametrize("vendor", ["ollama", "openai"])
FOX = "the quick brown fox jumps over the lazy dog"


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(models=NAMES.values(), prices=PRICES) as server:
        yield server


async def until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_true():
            await asyncio.sleep(0.01)


@BOTH
@pytest.mark.parametrize("struck", ["hang", "keep_alive", "stall"])
async def test_nothing_keeps_a_call_alive_beyond_its_deadline(
    server: ModelServer, vendor: str, struck: str
) -> None:
    server.fail(struck)
    clock = asyncio.get_running_loop().time
    asked_at = clock()
    fault = await fault_of(server, vendor, deadline_s=1.5)
    assert type(fault) is faults.TimedOutError
    assert clock() - asked_at < 10
    await until(lambda: server.hang_ups == 1)


@BOTH
async def test_a_slow_stream_ends_at_the_deadline_with_what_came(
    server: ModelServer, vendor: str
) -> None:
    server.manner.token_s = 0.4
    fault = await fault_of(server, vendor, deadline_s=2.5)
    assert FOX.startswith(fault.text) and fault.text
    assert fault.spent.is_estimate and fault.spent.tokens_out >= 3


@BOTH
@pytest.mark.parametrize("struck", ["hang", "stall"])
async def test_cancelling_closes_the_connection(
    server: ModelServer, vendor: str, struck: str
) -> None:
    server.fail(struck)
    asking = asyncio.ensure_future(asked(server, vendor, deadline_s=60.0))
    await until(lambda: bool(server.exchanges))
    await asyncio.sleep(0.1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await until(lambda: server.hang_ups == 1)


@BOTH
async def test_without_usage_the_cost_is_an_estimate_and_never_too_low(
    server: ModelServer, vendor: str
) -> None:
    server.fail("no_usage")
    reply = await asked(server, vendor)
    served = server.served()
    assert reply.is_estimate
    assert reply.tokens_in >= served.tokens_in and reply.tokens_out >= served.tokens_out
    assert reply.cost_usd >= served.usd


@BOTH
@pytest.mark.parametrize(
    "struck", ["reset", "cut", "no_finish", "malformed", "truncated", "error_inside"]
)
async def test_a_broken_stream_is_paid_as_far_as_it_came(
    server: ModelServer, vendor: str, struck: str
) -> None:
    server.fail(struck)
    fault = await fault_of(server, vendor)
    served = server.served()
    assert fault.spent.is_estimate
    assert fault.spent.tokens_in >= served.tokens_in
    assert fault.spent.tokens_out >= served.tokens_out == 6
    assert fault.spent.cost_usd >= served.usd
    assert fault.text == "the quick brown fox"


@BOTH
@pytest.mark.parametrize("struck", ["401", "404", "429", "500", "html", "html_502", "redirect"])
async def test_what_no_model_has_seen_costs_nothing(
    server: ModelServer, vendor: str, struck: str
) -> None:
    server.fail(struck)
    assert (await fault_of(server, vendor)).spent.tokens_in == 0


@BOTH
@pytest.mark.parametrize("struck", ["500", "503", "reset_before"])
async def test_a_fault_before_the_first_token_is_tried_once_more(
    server: ModelServer, vendor: str, struck: str
) -> None:
    server.manner.retry_after = None
    server.fail(struck)
    assert (await asked(server, vendor)).text == FOX
    server.fail(struck, struck, struck)
    with pytest.raises(ModelFault):
        await asked(server, vendor)
    assert len(server.exchanges) == 4


@BOTH
async def test_what_the_first_attempt_may_have_cost_is_not_forgotten(
    server: ModelServer, vendor: str
) -> None:
    server.fail("reset_before")
    reply = await asked(server, vendor)
    assert reply.is_estimate
    assert reply.tokens_in >= 2 * server.last.tokens_in
    assert reply.tokens_out == server.last.tokens_out
    server.fail("reset_before", "reset")
    with pytest.raises(faults.CutShortError) as raised:
        await asked(server, vendor)
    assert raised.value.spent.tokens_in >= 2 * server.last.tokens_in
    assert raised.value.spent.tokens_out == 6


@BOTH
@pytest.mark.parametrize("struck", ["401", "404", "context", "empty", "reset", "malformed"])
async def test_what_would_fail_again_or_has_begun_is_not_tried_twice(
    server: ModelServer, vendor: str, struck: str
) -> None:
    server.fail(struck)
    with pytest.raises(ModelFault):
        await asked(server, vendor)
    assert len(server.exchanges) == 1


@BOTH
async def test_the_second_attempt_waits_as_long_as_the_server_asks(
    server: ModelServer, vendor: str
) -> None:
    server.fail("429")
    reply = await asked(server, vendor)
    assert reply.text == FOX
    assert 1.0 <= reply.latency_s < 4.0


@BOTH
async def test_a_wait_beyond_the_deadline_is_no_wait(server: ModelServer, vendor: str) -> None:
    server.manner.retry_after = "30"
    server.fail("429")
    clock = asyncio.get_running_loop().time
    asked_at = clock()
    with pytest.raises(faults.RateLimitedError) as raised:
        await asked(server, vendor)
    assert clock() - asked_at < 4.0
    assert (raised.value.retry_after_s, len(server.exchanges)) == (30.0, 1)


@BOTH
def test_a_second_event_loop_asks_as_well(server: ModelServer, vendor: str) -> None:
    for _ in range(3):
        assert asyncio.run(asked(server, vendor)).text == FOX
        assert server.last.headers["connection"] == "close"


@BOTH
async def test_many_questions_go_at_the_same_time(server: ModelServer, vendor: str) -> None:
    server.manner.first_token_s = 1.0
    clock = asyncio.get_running_loop().time
    asked_at = clock()
    replies = await asyncio.gather(
        *(asked(server, vendor, f"say {i}", deadline_s=60.0) for i in range(20))
    )
    assert [reply.text for reply in replies] == [str(i) for i in range(20)]
    assert clock() - asked_at < 15


@BOTH
async def test_a_prompt_that_cannot_fit_is_not_sent(server: ModelServer, vendor: str) -> None:
    model = model_of(server, vendor, context=512)
    fault = await fault_of(server, vendor, "word " * 1000, model=model)
    assert type(fault) is faults.ContextOverflowError
    assert (server.paths, fault.spent.tokens_in) == ([], 0)


async def test_a_prompt_that_ollama_has_cut_in_silence_gives_no_answer(
    server: ModelServer,
) -> None:
    model = model_of(server, "ollama", context=512)
    fault = await fault_of(server, "ollama", "a " * 900 + "say yes", model=model)
    assert type(fault) is faults.ContextOverflowError
    assert fault.spent.tokens_in == 512


@BOTH
async def test_a_server_that_knows_no_limit_is_stopped(server: ModelServer, vendor: str) -> None:
    server.manner.script = lambda messages: "word " * 2000
    server.manner.token_s = 0.01
    server.fail("overrun")
    fault = await fault_of(server, vendor, answer_tokens=16, deadline_s=30.0)
    assert type(fault) is faults.OutputLimitError
    assert 16 < fault.spent.tokens_out < 40
    await until(lambda: server.hang_ups == 1)


@BOTH
@pytest.mark.parametrize(("has_relief", "requests"), [(False, 2), (True, 1)])
async def test_a_long_wait_is_waited_only_where_nobody_else_could_be_asked(
    server: ModelServer,
    vendor: str,
    has_relief: bool,
    requests: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attempts, "LONGEST_PAUSE_S", 0.5)
    server.manner.retry_after = "1"
    server.fail("429")
    if has_relief:
        with pytest.raises(faults.RateLimitedError):
            await asked(server, vendor, has_relief=has_relief)
    else:
        await asked(server, vendor, has_relief=has_relief)
    assert len(server.exchanges) == requests
