import json
import random
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agora.domain import credit, standings
from agora.domain.contracts import Json
from agora.domain.standings import empty, health, p_success, step

EVENTS = st.fixed_dictionaries(
    {
        "bidder": st.sampled_from(["a@m", "b@m", "librarian"]),
        "domain": st.sampled_from(["law", "physics"]),
        "right": st.sampled_from([True, False, None]),
        "tokens_out": st.integers(0, 1000),
        "latency_s": st.floats(0, 100),
        "cost_usd": st.floats(0, 0.1),
        "value_usd": st.just(0.01),
        "second_score": st.one_of(st.none(), st.floats(-1, 1)),
        "claimed_p": st.one_of(st.none(), st.floats(0, 1)),
        "fault": st.sampled_from([None, None, "timeout", "unauthorized"]),
        "is_probe": st.booleans(),
        "is_graded": st.booleans(),
    }
)


def after(*events: dict[str, Any], state: Json | None = None) -> Json:
    state = state or empty()
    for event in events:
        state = step(state, event)
    return state


def event(right: bool | None = True, bidder: str = "a@m", **more: Any) -> dict[str, Any]:
    return {"bidder": bidder, "domain": "law", "right": right} | more


def outcomes(p: float, count: int, seed: int = 1, **more: Any) -> list[dict[str, Any]]:
    dice = random.Random(seed)
    return [event(dice.random() < p, **more) for _ in range(count)]


@given(st.lists(EVENTS, max_size=40))
def test_a_step_leaves_the_old_state_and_gives_plain_json(events: list[dict[str, Any]]) -> None:
    state = empty()
    for one in events:
        kept = deepcopy(state)
        after_one = step(state, one)
        assert state == kept
        state = json.loads(json.dumps(after_one))
        assert state == after_one
        q, n = p_success(state, one["bidder"], {"law": 0.5, "physics": 0.5}, 0.5)
        assert 0 < q < 1 and n > 0
        assert 0 < health(state, one["bidder"]) <= 1


def test_a_stranger_is_thought_of_as_the_prior() -> None:
    assert p_success(empty(), "new@m", {"law": 1.0})[0] == pytest.approx(0.6)


def test_outcomes_in_a_domain_count_more_there_than_elsewhere() -> None:
    state = after(*outcomes(0.9, 100), *outcomes(0.1, 100, domain="physics"))
    law, physics = (p_success(state, "a@m", {name: 1.0})[0] for name in ("law", "physics"))
    elsewhere, _ = p_success(state, "a@m", {"history": 1.0})
    assert law > 0.75 and physics < 0.25 and 0.4 < elsewhere < 0.6
    mixed, _ = p_success(state, "a@m", {"law": 0.5, "physics": 0.5})
    assert mixed == pytest.approx((law + physics) / 2)


def test_a_declared_domain_makes_a_stranger_likelier() -> None:
    declared, general, foreign = (
        p_success(empty(), "new@m", {"law": 1.0}, overlap)[0] for overlap in (1.0, 0.5, 0.0)
    )
    assert declared > general > foreign > 0.4


def test_a_built_in_expert_is_good_for_nothing_outside_of_its_domain() -> None:
    state = after(*outcomes(0.95, 50, bidder="repairer"))
    assert p_success(state, "repairer", {"history": 1.0}, 0.0)[0] < 0.05
    assert p_success(state, "repairer", {"law": 1.0}, 1.0)[0] > 0.8


def test_hope_shrinks_with_what_is_known() -> None:
    young, old = after(*outcomes(0.6, 5)), after(*outcomes(0.6, 500))
    hopes = []
    for state in (empty(), young, old):
        q, n = p_success(state, "a@m", {"law": 1.0})
        hopes.append(standings.optimism(q, n, 1.0) - q)
    assert hopes[0] > hopes[1] > hopes[2] > 0


def test_graded_outcomes_need_no_hope() -> None:
    assert standings.exploration(empty(), "a@m") > 1.0
    graded = after(*outcomes(0.6, 60, is_graded=True))
    assert standings.exploration(graded, "a@m") == 0.0
    assert graded["tasks"] == 0


def test_tokens_are_expected_as_they_were_seen() -> None:
    wordy = [event(tokens_out=800) for _ in range(40)]
    terse = [event(tokens_out=50, domain="physics") for _ in range(40)]
    state = after(*wordy, *terse)
    assert standings.expected_tokens(state, "a@m", {"law": 1.0}) > 650
    assert standings.expected_tokens(state, "a@m", {"physics": 1.0}) < 150
    assert standings.expected_tokens(empty(), "a@m", {"law": 1.0}, default=77) == 77


def test_a_collapse_is_noticed_within_some_dozens_of_tasks() -> None:
    state = after(*outcomes(0.8, 600))
    fallen = after(*outcomes(0.1, 30, seed=2), state=state)
    assert p_success(fallen, "a@m", {"law": 1.0})[0] < 0.35
    assert fallen["bidders"]["a@m"]["is_fallen"]


def test_failing_in_a_new_domain_is_no_fall() -> None:
    state = after(*outcomes(0.95, 200), *[event(False, domain="physics") for _ in range(30)])
    assert not state["bidders"]["a@m"]["is_fallen"]


@pytest.mark.parametrize("p", [0.3, 0.6, 0.9])
def test_an_even_expert_keeps_its_history(p: float) -> None:
    state = after(*outcomes(p, 3000))
    assert not state["bidders"]["a@m"]["is_fallen"]
    assert state["bidders"]["a@m"]["right"] + state["bidders"]["a@m"]["wrong"] == 3000


def test_a_fallen_expert_comes_back_by_its_probes_as_a_newcomer() -> None:
    fallen = after(*outcomes(0.8, 600), *outcomes(0.1, 40, seed=2))
    back = after(*outcomes(0.85, 8, seed=3, is_probe=True), state=fallen)
    assert not back["bidders"]["a@m"]["is_fallen"]
    assert p_success(back, "a@m", {"law": 1.0})[0] >= 0.6


def test_who_came_back_has_the_hope_of_a_newcomer() -> None:
    known = after(*outcomes(0.8, 600, is_graded=True), *outcomes(0.8, 1100))
    fallen = after(*outcomes(0.1, 60, seed=2), state=known)
    assert standings.exploration(fallen, "a@m") == 0.0
    back = after(*outcomes(0.85, 14, seed=3, is_probe=True), state=fallen)
    assert standings.exploration(back, "a@m") == 1.5


def test_a_newcomer_has_more_hope_than_those_known_for_long() -> None:
    state = after(*outcomes(0.6, 1001))
    assert standings.exploration(state, "a@m") == 0.5
    assert standings.exploration(state, "late@m") == 1.5
    assert standings.exploration(after(event(bidder="late@m"), state=state), "late@m") == 1.5


def test_standings_of_an_older_version_can_be_carried_on() -> None:
    state = after(*outcomes(0.8, 20))
    del state["bidders"]["a@m"]["boast"]
    assert after(event(), state=state)["bidders"]["a@m"]["right"] > 10


def test_a_probe_is_due_once_in_fifty_tasks_and_only_after_a_fall() -> None:
    others = outcomes(0.7, 49, bidder="b@n")
    fallen = after(*outcomes(0.8, 600), *outcomes(0.1, 40, seed=2))
    waited = after(*others, state=fallen)
    assert not standings.is_probe_due(waited, "a@m")
    assert standings.is_probe_due(after(event(bidder="b@n"), state=waited), "a@m")
    assert not standings.is_probe_due(after(*others, *others, event()), "b@n")


def test_what_was_not_judged_teaches_only_speed() -> None:
    state = after(*[event(None, latency_s=2.0) for _ in range(10)])
    assert p_success(state, "a@m", {"law": 1.0})[0] == pytest.approx(0.6)
    assert standings.expected_latency(state, "a@m", 0, 99.0) == pytest.approx(2.0)


def claims(claimed: float, p: float, count: int, **more: Any) -> list[dict[str, Any]]:
    terms = {"value_usd": 0.01, "second_score": 0.006, "claimed_p": claimed}
    return outcomes(p, count, **(terms | more))


def test_over_claiming_spends_the_credit_and_honesty_does_not() -> None:
    liar, honest = after(*claims(0.9, 0.4, 100)), after(*claims(0.8, 0.8, 300))
    assert credit.is_spent(liar["bidders"]["a@m"])
    assert not standings.is_believed(liar, "a@m")
    assert honest["bidders"]["a@m"]["credit"] > 20
    assert standings.is_believed(honest, "a@m")


def test_honest_claims_earn_the_credit_back_and_boasts_do_not() -> None:
    spent = after(*claims(0.9, 0.4, 100))
    boasting = after(*claims(0.8, 0.3, 200), state=spent)
    honest = after(*claims(0.4, 0.4, 200), state=spent)
    assert credit.is_spent(boasting["bidders"]["a@m"])
    assert not credit.is_spent(honest["bidders"]["a@m"])


def test_who_makes_no_claims_cannot_lose_its_credit_for_bad_luck() -> None:
    state = after(*claims(0.9, 0.4, 300, claimed_p=None))
    assert standings.is_believed(state, "a@m")


def test_a_server_that_is_a_little_slow_is_tried_now_and_then() -> None:
    usual = [event(None, latency_s=2.0) for _ in range(100)]
    slower = after(*usual, *[event(None, latency_s=3.5) for _ in range(5)])
    assert 0.5 < health(slower, "a@m") < 0.9
    waited = after(*outcomes(0.7, 50, bidder="b@n"), state=slower)
    assert standings.is_probe_due(waited, "a@m")


def test_tasks_are_counted_once_and_not_for_calibration() -> None:
    assert after(event(), event(), event(is_graded=True))["tasks"] == 2
