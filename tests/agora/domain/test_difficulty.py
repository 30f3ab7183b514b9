import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agora.domain import difficulty, standings
from agora.domain.contracts import Json

EASY = "What is the capital of France?"
HARD = (
    "A tank holds 240 litres, half of it water, and loses a third of that each hour, while twice "
    "as much per minute flows in, except in every fourth hour, when the ratio is 2/3 of the total."
)


def learned(tasks: int = 400) -> Json:
    """Return a model that has seen hard texts fail more often than easy ones."""
    model, dice = difficulty.NEW, random.Random(1)
    for _ in range(tasks):
        for text, p in ((EASY, 0.9), (HARD, 0.4)):
            right = dice.random() < p
            model = difficulty.step(model, difficulty.traits(text), 0.65, right)
    return model


def ease_of(text: str, model: Json) -> float:
    return difficulty.ease(model, difficulty.traits(text))


def test_nothing_learned_moves_nothing() -> None:
    assert difficulty.adjusted(
        0.7, difficulty.ease(difficulty.NEW, difficulty.traits(HARD))
    ) == pytest.approx(0.7)


def test_a_text_like_those_that_failed_lowers_the_chance() -> None:
    model = learned()
    easy, hard = (difficulty.adjusted(0.65, ease_of(t, model)) for t in (EASY, HARD))
    assert easy > 0.70 and hard < 0.58


def test_a_hard_text_widens_the_gap_between_strong_and_weak() -> None:
    model, gaps = learned(), []
    for text in (EASY, HARD):
        strong, weak = (difficulty.adjusted(p, ease_of(text, model)) for p in (0.93, 0.7))
        gaps.append(strong - weak)
    assert gaps[1] > gaps[0]


@given(st.text(), st.floats(0, 1))
def test_any_text_leaves_a_chance_between_zero_and_one(text: str, p: float) -> None:
    of = difficulty.traits(text)
    assert 0 <= difficulty.adjusted(p, difficulty.ease(learned(5), of)) <= 1
    assert abs(sum(of.values())) < 1e6


def test_the_length_of_the_whole_task_counts_where_the_text_is_cut() -> None:
    assert difficulty.traits("x", 5000)["length"] > difficulty.traits("x")["length"]


def test_what_is_learned_of_one_bidder_holds_for_all() -> None:
    state, dice = standings.empty(), random.Random(2)
    for _ in range(300):
        for text, p in ((EASY, 0.9), (HARD, 0.4)):
            event: dict[str, Any] = {"bidder": "a@m", "domain": "law"}
            event |= {"right": dice.random() < p, "traits": difficulty.traits(text)}
            state = standings.step(state, event)
    easy, hard = (
        standings.p_success(state, "new@n", {"law": 1.0}, ease=ease_of(text, state["difficulty"]))[
            0
        ]
        for text in (EASY, HARD)
    )
    assert easy > hard + 0.1
