import pytest

from agora.domain import faults
from tests.asking import NAMES, PRICES, asked, fault_of
from tests.model_server import ModelServer

BOTH = pytest.mark.parametrize("vendor", ["ollama", "openai"])
# Words shorter than the four bytes of the estimate.
DENSE = "it is in a box at the top of the big red bus, so go to it and pay for it. " * 20
SAID = "the key lies under the third stone from the left"


@BOTH
@pytest.mark.parametrize("struck", ["no_usage", "usage_null", "usage_zero"])
async def test_an_estimate_of_short_words_is_not_too_low(vendor: str, struck: str) -> None:
    with ModelServer(models=NAMES.values(), prices=PRICES, faults=[struck]) as server:
        reply = await asked(server, vendor, f"{DENSE} Reply with exactly: {SAID}")
        served = server.served()
    assert reply.text == SAID and reply.is_estimate
    assert reply.tokens_in >= served.tokens_in and reply.tokens_out >= served.tokens_out


@BOTH
async def test_a_count_that_the_stream_has_left_behind_is_none(vendor: str) -> None:
    with ModelServer(models=NAMES.values(), prices=PRICES, faults=["usage_cut"]) as server:
        fault = await fault_of(server, vendor, f"{DENSE} Reply with exactly: {SAID}")
        served = server.served()
    assert type(fault) is faults.UnfinishedAnswerError
    assert fault.spent.is_estimate
    assert fault.spent.tokens_out >= served.tokens_out > 1
    assert fault.spent.tokens_in >= served.tokens_in


@BOTH
@pytest.mark.parametrize(
    "struck",
    ["twice_finished", "no_done", "glued", "torn", "crlf", "filtered_first", "bom", "parts"],
)
async def test_what_only_looks_odd_is_an_answer_that_is_paid_once(vendor: str, struck: str) -> None:
    with ModelServer(models=NAMES.values(), prices=PRICES, faults=[struck]) as server:
        reply = await asked(server, vendor, f"Reply with exactly: {SAID}")
        served = server.served()
    assert (reply.text, reply.is_estimate) == (SAID, False)
    assert reply.cost_usd == pytest.approx(served.usd)


@BOTH
async def test_characters_that_a_server_has_broken_are_no_answer(vendor: str) -> None:
    with ModelServer(models=NAMES.values(), prices=PRICES, faults=["bad_utf8"]) as server:
        fault = await fault_of(server, vendor, f"Reply with exactly: {SAID}")
        served = server.served()
    assert type(fault) is faults.MalformedAnswerError
    assert fault.spent.is_estimate and fault.spent.tokens_out >= served.tokens_out
    assert fault.spent.cost_usd >= served.usd


@BOTH
async def test_an_odd_character_that_a_model_has_written_itself_is_served(vendor: str) -> None:
    with ModelServer(models=NAMES.values(), prices=PRICES) as server:
        reply = await asked(server, vendor, "Reply with exactly: 🙂 is no \ufffd, nor é")
    assert reply.text == "🙂 is no \ufffd, nor é"
