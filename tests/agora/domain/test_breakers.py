from typing import Any

import pytest

from agora.domain import breakers
from agora.domain.contracts import Json


def after(*events: dict[str, Any], server: Json | None = None) -> Json:
    for event in events:
        server = breakers.step(server, event)
    assert server is not None
    return server


def took(seconds: float) -> dict[str, Any]:
    return {"latency_s": seconds, "fault": None}


def failed(fault: str = "timeout", at_s: float = 1000.0) -> dict[str, Any]:
    return {"fault": fault, "at_s": at_s, "latency_s": 60.0}


STEADY = [took(2.0)] * 100


def test_an_unknown_server_is_healthy_and_as_quick_as_declared() -> None:
    assert breakers.health(None) == 1.0
    assert breakers.latency_s(None, 100, 7.0) == 7.0
    assert breakers.breaker(None) == "closed"


def test_a_server_five_times_slower_loses_its_weight_within_five_calls() -> None:
    assert breakers.health(after(*STEADY)) == 1.0
    assert breakers.health(after(*STEADY, *[took(10.0)] * 5)) < 0.15


def test_it_has_its_weight_back_after_five_quick_calls() -> None:
    slow = after(*STEADY, *[took(10.0)] * 20)
    assert breakers.health(slow) < 0.25
    assert breakers.health(after(*[took(2.0)] * 5, server=slow)) == 1.0


def test_one_slow_call_costs_nothing() -> None:
    assert breakers.health(after(*STEADY, took(60.0))) == 1.0


def test_the_first_slow_call_of_a_cold_server_does_not_become_its_usual_pace() -> None:
    server = after(took(30.0), *[took(2.0)] * 100)
    assert breakers.latency_s(server, 0, 9.0) == pytest.approx(2.0)
    assert breakers.health(server) == 1.0


def test_a_long_answer_is_no_sign_of_a_slow_server() -> None:
    long = [took(20.0) | {"tokens_out": 950}] * 5
    short = [took(2.0) | {"tokens_out": 50}] * 20
    server = after(*short, *long)
    assert breakers.health(server) == 1.0
    assert breakers.latency_s(server, 450, 99.0) == pytest.approx(10.0)


def test_faults_cost_weight_until_they_are_past() -> None:
    shaky = after(*STEADY, failed(), took(2.0), failed())
    assert 0.8 < breakers.health(shaky) < 1.0
    assert breakers.health(after(*STEADY[:20], server=shaky)) == 1.0


def test_three_faults_in_a_row_open_the_breaker_and_a_success_closes_it() -> None:
    assert breakers.breaker(after(failed(), failed())) == "closed"
    assert breakers.breaker(after(failed(), failed(), took(1.0), failed())) == "closed"
    broken = after(failed(), failed(), failed())
    assert breakers.breaker(broken) == "open"
    assert "3 times in a row, last with timeout" in breakers.why_open(broken)
    assert breakers.breaker(after(took(1.0), server=broken)) == "closed"


def test_a_refused_key_opens_the_breaker_at_once() -> None:
    refused = after(failed("wrong_key") | {"opens_breaker": True})
    assert breakers.breaker(refused) == "open"
    assert breakers.breaker(after(took(1.0), server=refused)) == "closed"


def test_an_open_breaker_lets_one_try_after_a_rest_that_doubles() -> None:
    broken = after(failed(), failed(), failed(at_s=1000.0))
    assert breakers.breaker(broken, 1029.0) == "open"
    assert breakers.breaker(broken, 1030.0) == "half_open"
    again = after(failed(at_s=1030.0), server=broken)
    assert breakers.breaker(again, 1089.0) == "open"
    assert breakers.breaker(again, 1090.0) == "half_open"


def test_the_rest_has_an_end_however_often_it_failed() -> None:
    dead = after(*[failed()] * 2000)
    assert breakers.breaker(dead, 1000.0 + breakers.LONGEST_REST_S) == "half_open"


def test_experts_on_one_model_share_its_server() -> None:
    assert (
        breakers.server_of("engineer@qwen3:8b") == breakers.server_of("risk@qwen3:8b") == "qwen3:8b"
    )
    assert breakers.server_of("repairer") == "repairer"


def answers(*rights: bool) -> Any:
    server: Any = None
    for right in rights:
        server = breakers.step(server, {"right": right, "tokens_out": 50, "latency_s": 1.0})
    return server


def test_a_model_lies_whose_answers_are_wrong_far_more_often_than_usual() -> None:
    good = [True] * 40
    assert not breakers.is_lying(answers(*good, *[False] * 4))
    assert breakers.is_lying(answers(*good, *[False] * 8))
    assert not breakers.is_lying(answers(*good, *[False] * 8, *[True] * 8))


def test_a_model_that_was_never_good_does_not_lie() -> None:
    assert not breakers.is_lying(answers(*[True, False, False] * 20))


def test_healing_takes_weight_and_gives_it_back() -> None:
    known = answers(True)
    light = breakers.weighed(known, {"weight": 0.1, "held": ""})
    assert breakers.health(light) < 0.2 * breakers.health(known)
    assert (
        breakers.breaker(breakers.weighed(known, {"weight": 1.0, "held": "found dead"}), 1e9)
        == "open"
    )
    assert breakers.health(breakers.weighed(light, {"weight": 1.0, "held": ""})) == breakers.health(
        known
    )
