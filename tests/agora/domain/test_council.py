import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agora.domain.contracts import Ruling, Vote
from agora.domain.council import Reputation, Seat, gate, next_seats, rule, seat, weights

DEPARTMENTS = ("Strategy", "ML", "Risk", "Knowledge", "Law")


def member(number: int, p: float, family: str = "", department: str = "") -> Seat:
    return Seat(
        expert=f"e{number}",
        model=None,
        department=department or DEPARTMENTS[number % 5],
        family=family or f"f{number}",
        p=p,
        reputation=Reputation.start(p),
    )


def table(*accuracies: float) -> tuple[Seat, ...]:
    return seat(member(number, p) for number, p in enumerate(accuracies)).seats


def vote(one: Seat, answer: str, error: str | None = None) -> Vote:
    department, family = one.department, one.family
    return Vote(expert=one.expert, department=department, family=family, answer=answer, error=error)


def meet(seats: tuple[Seat, ...], answers: dict[str, str]) -> tuple[list[Vote], Ruling]:
    votes: list[Vote] = []
    while wave := next_seats(seats, votes):
        votes += [vote(one, answers[one.name]) for one in wave]
    return votes, rule(seats, votes)


def test_families_and_departments_come_before_standing() -> None:
    twins = [member(0, 0.9, "gpt"), member(1, 0.89, "gpt"), member(2, 0.88, "gpt")]
    others = [member(3, 0.7, "qwen"), member(4, 0.6, "llama", "ML"), member(5, 0.65, "phi", "ML")]
    seating = seat([*twins, *others], most=4)
    assert [one.family for one in seating.seats] == ["gpt", "qwen", "phi", "llama"]
    assert seating.note == ""


def test_the_strongest_sits_first_and_order_of_candidates_does_not_matter() -> None:
    candidates = [member(number, 0.5 + number / 20) for number in range(5)]
    assert seat(candidates) == seat(candidates[::-1])
    assert [one.p for one in seat(candidates).seats] == [0.7, 0.65, 0.6, 0.55, 0.5]


def test_a_small_table_says_what_is_missing() -> None:
    assert seat([member(0, 0.7), member(1, 0.7)]).note == "only 2 of 3 seats can be filled"
    one_family = seat([member(number, 0.7, "gpt") for number in range(4)])
    assert "only 1 model family" in one_family.note and len(one_family.seats) == 4
    assert seat([]).seats == ()


@pytest.mark.parametrize("most", [2, 6])
def test_a_table_has_three_to_five_seats(most: int) -> None:
    with pytest.raises(ValueError, match="3 to 5"):
        seat([], most)


def test_a_strong_member_outweighs_four_weak_ones_at_once() -> None:
    seats = table(0.7, 0.35, 0.35, 0.3, 0.3)
    answers = dict.fromkeys((one.name for one in seats), "wrong") | {seats[0].name: "right"}
    votes, ruling = meet(seats, answers)
    assert ruling.answer == "right" and len(votes) == 1


def test_equals_outvote_the_first_and_stop_when_decided() -> None:
    seats = table(0.70, 0.69, 0.68, 0.67, 0.66)
    answers = dict(zip((one.name for one in seats), "abbbc", strict=True))
    votes, ruling = meet(seats, answers)
    assert ruling.answer == "b" and len(votes) == 4


@given(
    st.lists(st.floats(0.05, 0.95), min_size=3, max_size=5),
    st.lists(st.sampled_from(["a", "b", ""]), min_size=5, max_size=5),
)
def test_asking_at_once_asks_nobody_whom_asking_in_turn_would_spare(
    accuracies: list[float], said: list[str]
) -> None:
    seats = table(*accuracies)
    answers = {one.name: answer for one, answer in zip(seats, said, strict=False)}
    at_once, _ = meet(seats, answers)
    in_turn: list[Vote] = []
    while wave := next_seats(seats, in_turn):
        in_turn.append(vote(wave[0], answers[wave[0].name]))
    assert at_once == in_turn


def test_who_is_right_less_often_than_chance_has_no_weight() -> None:
    seats = table(0.7, 0.6, 0.05)
    assert list(weights(seats).values())[2] == 0


def test_a_weak_table_votes_with_equal_weights() -> None:
    seats = table(0.4, 0.35, 0.3)
    assert len(set(weights(seats).values())) == 1
    _, ruling = meet(seats, {seats[0].name: "x", seats[1].name: "y", seats[2].name: "y"})
    assert ruling.answer == "y"


def test_a_member_that_fails_loses_its_vote_and_not_the_meeting() -> None:
    seats = table(0.9, 0.7, 0.6)
    votes = [vote(seats[0], "a", error="timed out"), vote(seats[1], " "), vote(seats[2], "c")]
    ruling = rule(seats, votes)
    assert ruling.answer == "c"
    assert [one.weight > 0 for one in ruling.votes] == [False, False, True]
    assert "2 gave none" in ruling.reason


def test_without_any_valid_answer_there_is_no_consensus() -> None:
    seats = table(0.9, 0.7, 0.6)
    ruling = rule(seats, [vote(one, "?", error="silent") for one in seats])
    assert (ruling.answer, ruling.confidence, ruling.is_consensus) == ("", 0.0, False)


def test_answers_written_differently_count_together() -> None:
    seats = table(0.7, 0.69, 0.68)
    votes = [vote(seats[0], "(C)"), vote(seats[1], "1,000"), vote(seats[2], "The answer is 1000.0")]
    assert rule(seats, votes).answer == "1,000"


def test_agreement_raises_confidence_and_dissent_lowers_it() -> None:
    seats = table(0.7, 0.7, 0.7)
    alone = rule(seats, [vote(seats[0], "a")]).confidence
    agreed = rule(seats, [vote(one, "a") for one in seats]).confidence
    split = rule(seats, [vote(one, answer) for one, answer in zip(seats, "abc", strict=True)])
    assert alone == pytest.approx(0.7, abs=0.02)
    assert agreed > 0.9 > alone > split.confidence
    assert not split.is_consensus and "no consensus" in split.reason


def test_the_gate_leaves_out_who_stands_far_below_the_best() -> None:
    assert [one.p for one in gate(table(0.7, 0.65, 0.5))] == [0.7, 0.65]


def test_a_reputation_starts_at_the_known_accuracy_and_falls_to_silence() -> None:
    known = Reputation.start(0.8)
    assert known.p == pytest.approx(0.8, abs=0.02) and known.weight > 1
    for _ in range(20):
        known = known.step(False)
    assert known.weight == 0


def test_colluders_lose_their_weight_after_few_shown_truths() -> None:
    dice, seats = random.Random(1), list(table(0.8, 0.8, 0.7, 0.7, 0.7))
    colluders, right = {seats[0].name, seats[1].name}, 0
    for question in range(1500):
        answers = {one.name: "ok" if dice.random() < 0.7 else f"w{one.name}" for one in seats}
        votes, ruling = meet(tuple(seats), answers | dict.fromkeys(colluders, "bribed"))
        right += ruling.answer == "ok" and question >= 500
        if dice.random() < 0.05:
            said = {f"{one.expert}": one.answer == "ok" for one in votes}
            seats = [learned(one, said) for one in seats]
    assert right / 1000 > 0.75


def learned(one: Seat, said: dict[str, bool]) -> Seat:
    return (
        Seat(
            one.expert,
            None,
            one.department,
            one.family,
            one.p,
            one.reputation.step(said[one.name]),
        )
        if one.name in said
        else one
    )


@given(
    st.lists(st.floats(0.05, 0.95), min_size=3, max_size=5),
    st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=5, max_size=5),
)
def test_stopping_early_never_changes_the_winner(accuracies: list[float], said: list[str]) -> None:
    seats = table(*accuracies)
    answers = {one.name: answer for one, answer in zip(seats, said, strict=False)}
    _, early = meet(seats, answers)
    full = rule(seats, [vote(one, answers[one.name]) for one in seats])
    assert early.answer == full.answer
    assert 0 <= full.confidence <= 1


def test_who_has_voted_is_not_asked_again() -> None:
    seats = table(0.7, 0.7, 0.7)
    votes = [vote(seats[0], "a"), vote(seats[1], "b")]
    assert next_seats(seats, votes) == [seats[2]]
    assert next_seats(seats, [*votes, vote(seats[2], "c")]) == []
    assert next_seats((), []) == []
