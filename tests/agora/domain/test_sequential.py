import random
from itertools import pairwise
from math import comb, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agora.domain.sequential import (
    Cusum,
    e_value,
    expert_watch,
    is_below_floor,
    promotion_watch,
    trial,
)

COUNTS = st.integers(0, 60)


def alarm_at(watch: Cusum, p: float, tasks: int, dice: random.Random) -> int | None:
    for task in range(1, tasks + 1):
        watch = watch.step(dice.random() < p)
        if watch.is_alarm:
            return task
    return None


def verdict(incumbent: float, candidate: float, dice: random.Random) -> tuple[str, int]:
    """Return how a trial of two prompts that err independently ends, and after how many pairs."""
    wins = losses = 0
    for pairs in range(1, 201):
        old, fresh = dice.random() < incumbent, dice.random() < candidate
        wins, losses = wins + (fresh and not old), losses + (old and not fresh)
        if (said := trial(wins, losses, pairs)) != "continue":
            return said, pairs
    raise AssertionError("a trial ends after 200 pairs")


def test_a_healthy_expert_is_left_alone() -> None:
    dice = random.Random(1)
    alarms = [alarm_at(expert_watch(), 0.85, 200, dice) for _ in range(600)]
    assert sum(alarm is not None for alarm in alarms) <= 12


def test_a_fall_to_one_half_is_caught_within_a_hundred_tasks() -> None:
    dice = random.Random(2)
    alarms = [alarm_at(expert_watch(), 0.50, 100, dice) for _ in range(600)]
    assert None not in alarms
    assert sum(alarm or 0 for alarm in alarms) / len(alarms) <= 30


def test_a_watch_counts_against_the_expert_and_forgives_down_to_zero() -> None:
    wrong = Cusum().step(False)
    assert wrong.total == pytest.approx(log(0.4 / 0.2))
    assert wrong.step(True).total == pytest.approx(log(2) + log(0.6 / 0.8))
    assert Cusum().step(True).total == 0


@given(st.lists(st.booleans(), max_size=100))
def test_a_wrong_outcome_never_calms_a_watch(outcomes: list[bool]) -> None:
    watch = Cusum()
    for is_right in outcomes:
        after = watch.step(is_right)
        assert after.total >= 0
        assert (after.total > watch.total) == (not is_right) or after.total == watch.total == 0
        watch = after


def test_a_version_is_measured_against_its_own_rate_once_it_has_one() -> None:
    assert expert_watch(95, 99).p0 == 0.80
    assert expert_watch(95, 100).p0 == pytest.approx(0.895)
    assert expert_watch(100, 100).p0 < 1
    assert expert_watch(0, 100).p1 > 0


def test_rates_between_which_nothing_can_fall_are_refused() -> None:
    with pytest.raises(ValueError, match="p1 < p0"):
        Cusum(0.5, 0.6)


def test_steady_mediocrity_does_not_escape() -> None:
    assert is_below_floor(6, 10)
    assert not is_below_floor(7, 10)
    assert not is_below_floor(0, 9)


@given(COUNTS, COUNTS)
def test_the_evidence_is_worth_one_on_average_when_the_two_are_equal(w: int, losses: int) -> None:
    n = w + losses
    average = sum(comb(n, k) / 2**n * e_value(k, n - k) for k in range(n + 1))
    assert average == pytest.approx(1.0)


@given(COUNTS, COUNTS)
def test_wins_raise_the_evidence_and_losses_lower_it(wins: int, losses: int) -> None:
    assert e_value(wins + 1, losses) > e_value(wins, losses) > e_value(wins, losses + 1)


@given(COUNTS, COUNTS)
def test_the_evidence_is_a_fair_bet_at_every_look(wins: int, losses: int) -> None:
    after = (e_value(wins + 1, losses) + e_value(wins, losses + 1)) / 2
    assert after <= e_value(wins, losses) * (1 + 1e-9)


def test_the_evidence_by_hand() -> None:
    # One win: a uniform share above one half wins with chance 3/4, an even one with 1/2.
    assert e_value(0, 0) == 1.0
    assert e_value(1, 0) == pytest.approx(1.5)
    assert e_value(0, 1) == pytest.approx(0.5)


def test_an_equal_candidate_is_seldom_promoted_and_a_worse_one_never() -> None:
    dice = random.Random(3)
    equal = [verdict(0.7, 0.7, dice)[0] for _ in range(400)]
    worse = [verdict(0.7, 0.55, dice)[0] for _ in range(400)]
    assert equal.count("promote") <= 20
    assert worse.count("promote") <= 2


def test_a_better_candidate_is_promoted_soon() -> None:
    dice = random.Random(4)
    ended = [verdict(0.75, 0.95, dice) for _ in range(300)]
    assert [said for said, _ in ended].count("promote") >= 285
    assert sum(pairs for _, pairs in ended) / len(ended) <= 60


def test_a_losing_candidate_is_dropped_early() -> None:
    assert trial(0, 3, 3) == "continue"
    assert trial(0, 4, 4) == "drop"


def test_a_trial_ends_after_two_hundred_pairs() -> None:
    assert trial(0, 0, 199) == "continue"
    assert trial(0, 0, 200) == "drop"
    assert trial(30, 3, 200) == "promote"


def test_counts_that_cannot_be_are_refused() -> None:
    for wins, losses, pairs in ((2, 2, 3), (-1, 0, 3)):
        with pytest.raises(ValueError, match="do not fit"):
            trial(wins, losses, pairs)


def test_a_regression_after_promotion_is_caught() -> None:
    dice = random.Random(5)
    caught = [alarm_at(promotion_watch(0.9), 0.7, 150, dice) for _ in range(300)]
    assert caught.count(None) <= 15
    quiet = [alarm_at(promotion_watch(0.9), 0.9, 150, dice) for _ in range(300)]
    assert quiet.count(None) >= 285


def test_the_guards_stay_usable_at_the_ends() -> None:
    for rate in (0.0, 0.5, 1.0):
        watch = promotion_watch(rate)
        assert 0 < watch.p1 < watch.p0 < 1
    assert all(a < b for a, b in pairwise(promotion_watch(r).p0 for r in (0.4, 0.6, 0.9)))
