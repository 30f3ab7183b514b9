import random
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agora.domain import auction, standings
from agora.domain.auction import Ask, Offer, Stakes, Terms, hold, offer, score_usd
from agora.domain.contracts import Json

STAKES = Stakes(value_usd=0.01, second_usd=0.00003)
OFFERS = st.lists(
    st.builds(
        Offer,
        expert=st.sampled_from("abcdefgh"),
        model=st.sampled_from(["m", "n", None]),
        p_success=st.floats(0, 1),
        cost_usd=st.floats(0, 0.02),
        queue_s=st.floats(0, 100),
        service_s=st.floats(0, 100),
        health=st.floats(0.01, 1),
        barred=st.sampled_from([(), ("private",)]),
        resting=st.sampled_from([(), ("open",)]),
        is_probe=st.booleans(),
    ),
    unique_by=lambda one: one.name,
    max_size=8,
)


def bid(expert: str, p: float, **terms: Any) -> Offer:
    return replace(Offer(expert, "m", p), **terms)


def winner(*offers: Offer, stakes: Stakes = STAKES) -> str | None:
    award = hold(offers, stakes).award
    return award.winner.expert if award else None


def test_a_score_is_value_less_cost_less_the_price_of_waiting() -> None:
    one = Offer("a", "m", 0.8, cost_usd=0.001, queue_s=10, service_s=5, health=0.5)
    assert score_usd(one, STAKES) == pytest.approx(0.01 * 0.5 * 0.8 - 0.001 - 0.00003 * 25)


def test_the_dear_expert_wins_only_where_the_answer_is_worth_it() -> None:
    dear, cheap = bid("dear", 0.9, cost_usd=0.002), bid("cheap", 0.7)
    assert winner(dear, cheap, stakes=Stakes(0.02)) == "dear"
    assert winner(dear, cheap, stakes=Stakes(0.005)) == "cheap"


def test_a_long_queue_sends_the_task_elsewhere() -> None:
    assert winner(bid("busy", 0.9, queue_s=60), bid("idle", 0.7)) == "idle"


def test_a_sick_server_loses_value_but_its_costs_stay() -> None:
    assert winner(bid("sick", 0.9, health=0.2), bid("sound", 0.5)) == "sound"
    sick = bid("sick", 0.9, health=0.2, cost_usd=0.003)
    assert score_usd(sick, STAKES) == pytest.approx(0.01 * 0.2 * 0.9 - 0.003)


def test_the_runner_up_sets_what_the_winner_pays() -> None:
    award = hold([bid("a", 0.9), bid("b", 0.7), bid("c", 0.1)], STAKES).award
    assert award and award.runner_up == pytest.approx(0.007)
    alone = hold([bid("a", 0.9)], STAKES).award
    assert alone and alone.runner_up is None


def test_nobody_wins_at_a_loss_and_the_reason_says_what_it_would_take() -> None:
    held = hold([bid("dear", 0.5, cost_usd=0.02)], STAKES)
    assert held.award is None
    assert "dear@m" in held.reason and "0.04 USD" in held.reason


def test_who_is_barred_has_no_score_and_says_why() -> None:
    held = hold([bid("cloud", 0.9, barred=("the task is private",)), bid("local", 0.4)], STAKES)
    assert [one.expert for one in held.bids] == ["local", "cloud"]
    assert held.bids[1].score is None
    assert held.bids[1].reasons == ("the task is private",)
    alone = hold([bid("cloud", 0.9, barred=("the task is private",))], STAKES)
    assert alone.award is None and "cloud@m: the task is private" in alone.reason


def test_an_auction_without_experts_says_so() -> None:
    assert hold([], STAKES).reason == "there is no expert"


def test_a_resting_expert_wins_only_when_nobody_else_is_left() -> None:
    tired = bid("tired", 0.9, resting=("its breaker is open",))
    assert winner(tired, bid("fresh", 0.3)) == "fresh"
    held = hold([tired, bid("cloud", 0.9, barred=("private",))], STAKES)
    assert held.award and held.award.winner.expert == "tired" and held.is_last_resort


def test_bad_health_does_not_eject_the_last_expert() -> None:
    sick = bid("sick", 0.9, health=0.02, service_s=30)
    assert score_usd(sick, STAKES) < 0
    assert winner(sick) == "sick"


def test_a_probe_goes_first_unless_it_costs_more_than_a_right_answer() -> None:
    probe = bid("probe", 0.1, is_probe=True, resting=("on trial",))
    held = hold([bid("best", 0.9), probe], STAKES)
    assert held.award and held.award.winner.expert == "probe" and held.is_probe
    assert winner(bid("best", 0.9), replace(probe, cost_usd=0.05)) == "best"


def test_equal_scores_go_to_the_likelier_then_to_the_first_by_name() -> None:
    sure, cheap = bid("sure", 0.9, cost_usd=0.001), bid("cheap", 0.8)
    assert winner(cheap, sure) == winner(sure, cheap) == "sure"
    assert winner(bid("b", 0.5), bid("a", 0.5)) == winner(bid("a", 0.5), bid("b", 0.5)) == "a"


@given(OFFERS)
def test_the_award_never_goes_to_a_barred_or_losing_bid(offers: list[Offer]) -> None:
    held = hold(offers, STAKES)
    assert len(held.bids) == len(offers)
    scores = [one.score for one in held.bids if one.score is not None]
    assert scores == sorted(scores, reverse=True)
    if held.award:
        won = next(one for one in offers if one.name == held.award.winner.name)
        assert not won.barred
        assert held.is_probe or (held.award.winner.score or 0) >= 0
    else:
        assert held.reason


@given(OFFERS)
def test_the_order_of_offers_does_not_matter(offers: list[Offer]) -> None:
    assert hold(offers, STAKES) == hold(offers[::-1], STAKES)


def test_an_offer_is_made_of_standings_and_terms() -> None:
    state = standings.empty()
    for _ in range(40):
        event = {"bidder": "a@m", "domain": "law", "right": True, "tokens_out": 100}
        state = standings.step(state, event | {"latency_s": 3.0})
    ask = Ask({"law": 1.0}, STAKES, deadline_s=60)
    made = offer(state, "a", "m", ask, Terms(lambda tokens: tokens * 1e-6, queue_s=4, load=2))
    assert made.p_success > 0.9 and made.service_s == pytest.approx(3.0, rel=0.1) and made.load == 2
    assert made.cost_usd == pytest.approx(0.0001, rel=0.3)
    assert not made.barred and not made.resting


def test_who_cannot_meet_the_deadline_is_barred() -> None:
    event = {"bidder": "a@m", "domain": "law", "right": True, "tokens_out": 200}
    state = standings.step(standings.empty(), event | {"latency_s": 4.0})
    ask = Ask({"law": 1.0}, STAKES, deadline_s=5)
    late = offer(state, "a", "m", ask, Terms(queue_s=2))
    assert late.barred == ("would take 6 s, the deadline is 5 s",)


def test_a_guess_of_a_server_bars_nobody_but_lets_others_go_first() -> None:
    ask = Ask({"law": 1.0}, STAKES, deadline_s=5)
    guessed = offer(standings.empty(), "a", "m", ask, Terms(service_s=lambda tokens: 6))
    assert not guessed.barred and guessed.resting == ("would take 6 s, the deadline is 5 s",)
    award = hold([guessed], STAKES).award
    assert award and award.winner.expert == "a"


def test_who_has_boasted_bids_with_what_outcomes_say_of_it() -> None:
    state, ask = standings.empty(), Ask({"law": 1.0}, STAKES)
    claims = Terms(claimed_p=0.95)
    assert offer(state, "a", "m", ask, claims).p_success == 0.95
    for number in range(100):
        event = {"bidder": "a@m", "domain": "law", "right": number % 5 < 2, "claimed_p": 0.95}
        state = standings.step(state, event | {"value_usd": 0.01, "second_score": 0.006})
    doubted = offer(state, "a", "m", ask, claims)
    assert doubted.p_success < 0.6
    assert winner(doubted, bid("honest", 0.7)) == "honest"


def priced(usd: float, tokens: float) -> float:
    return usd


def share_of_local(state: Json, tasks: int, seconds: float, seed: int) -> tuple[Json, list[bool]]:
    """Return standings after so many tasks, and which of them the local model won."""
    dice, won = random.Random(seed), []
    ask = Ask({"law": 1.0}, STAKES)
    prices = {"local": 0.0, "cloud": 0.0012}
    for _ in range(tasks):
        offers = [
            offer(state, "e", model, ask, Terms(partial(priced, usd)))
            for model, usd in prices.items()
        ]
        held = hold(offers, STAKES)
        assert held.award and held.award.winner.model
        model = held.award.winner.model
        won.append(model == "local")
        latency_s = (seconds if model == "local" else 2.0) * dice.uniform(0.7, 1.3)
        event = {"bidder": f"e@{model}", "domain": "law", "right": dice.random() < 0.7}
        told = {"latency_s": latency_s, "tokens_out": 200, "is_probe": held.is_probe}
        state = standings.step(state, event | told)
    return state, won


@pytest.mark.parametrize("seed", range(4))
def test_a_slow_local_model_loses_its_share_and_has_it_back_by_probes(seed: int) -> None:
    state, before = share_of_local(standings.empty(), 400, 4.0, seed)
    state, slow = share_of_local(state, 300, 20.0, seed + 10)
    state, after = share_of_local(state, 600, 4.0, seed + 20)
    usual = sum(before[200:]) / 200
    assert usual > 0.7
    assert sum(slow[50:]) / len(slow[50:]) < 0.1
    assert sum(after[500:]) / 100 >= 0.8 * usual


def test_the_only_local_model_keeps_its_tasks_however_slow() -> None:
    state, ask = standings.empty(), Ask({"law": 1.0}, STAKES)
    for latency_s in (1.0, 60.0):
        for _ in range(50):
            event = {"bidder": "e@local", "domain": "law", "right": True, "latency_s": latency_s}
            state = standings.step(state, event)
    assert standings.health(state, "e@local") < 0.02
    assert hold([offer(state, "e", "local", ask, Terms())], Stakes(0.01)).award


def test_a_bid_keeps_every_term_that_its_score_is_made_of() -> None:
    stakes = Stakes(value_usd=0.01, second_usd=0.0001)
    one = Offer("risk", "m", p_success=0.8, q=0.7, n=12.0, tokens=90.0, cost_usd=0.001)
    held = auction.hold([replace(one, queue_s=4.0, service_s=3.0, health=0.5, load=2)], stakes)
    (bid,) = held.bids
    assert (bid.q, bid.n, bid.tokens, bid.queue_s, bid.wait_s, bid.load) == (0.7, 12, 90, 4, 7, 2)
    gain = bid.value_usd * bid.health * bid.p_success - bid.cost_usd
    waiting = bid.second_usd * (auction.TAIL * bid.queue_s + bid.wait_s - bid.queue_s)
    assert bid.score == pytest.approx(gain - waiting)


def test_where_a_budget_is_short_the_cheapest_wins_and_equals_go_by_score() -> None:
    stakes = Stakes(value_usd=1.0)
    dear = Offer("risk", "big", p_success=0.9, cost_usd=0.2)
    cheap, cheaper = (
        Offer(n, "small", p_success=p, cost_usd=0.01) for n, p in (("a", 0.5), ("b", 0.6))
    )
    held = auction.thrifty(auction.hold([dear, cheap, cheaper], stakes))
    assert held.award and held.award.winner.expert == "b" and held.award.has_relief
    assert held.award.runner_up == pytest.approx(0.7)
