import random
from typing import Any

import pytest

from agora.domain import credit
from agora.domain.contracts import Json


def after(
    claimed: float | None, p: float, count: int, record: Json = credit.NEW, **more: Any
) -> Json:
    dice = random.Random(1)
    for _ in range(count):
        event = {"right": dice.random() < p, "claimed_p": claimed, "value_usd": 0.01}
        record = credit.settled(record, event | {"second_score": 0.006} | more)
    return record


def test_a_winner_is_paid_its_outcome_less_cost_time_and_the_second_score() -> None:
    event = {"right": True, "value_usd": 0.01, "cost_usd": 0.001, "second_score": 0.004}
    paid = credit.settled(credit.NEW, event | {"second_usd": 0.0001, "latency_s": 10})
    assert paid["credit"] == pytest.approx(credit.START + 0.4)
    wrong = credit.settled(credit.NEW, event | {"right": False})
    assert wrong["credit"] == pytest.approx(credit.START - 0.5)


def test_the_honest_claim_pays_best() -> None:
    honest, liar = after(0.8, 0.8, 60), after(0.8, 0.5, 60)
    assert honest["credit"] > credit.START > liar["credit"]


def test_a_boaster_is_doubted_when_its_credit_is_spent() -> None:
    assert not credit.is_spent(after(0.9, 0.4, 15))
    assert credit.is_spent(after(0.9, 0.4, 100))


def test_an_honest_bidder_with_a_dear_rival_is_not_doubted() -> None:
    unlucky = after(0.62, 0.6, 400, second_score=0.0066)
    assert unlucky["credit"] < 0
    assert not credit.is_spent(unlucky)


def test_who_makes_no_claim_is_never_doubted() -> None:
    assert not credit.is_spent(after(None, 0.2, 400))


def test_probes_are_not_paid_for() -> None:
    assert after(0.9, 0.4, 100, is_probe=True)["credit"] == credit.START


def test_honest_claims_bring_a_bidder_back_and_boasts_do_not() -> None:
    spent = after(0.9, 0.4, 100)
    assert credit.is_spent(after(0.8, 0.3, 400, spent))
    back = after(0.4, 0.4, 200, spent, is_probe=True)
    assert not credit.is_spent(back) and back["credit"] == credit.PAROLE
