import pytest

from agora.domain.meaning import is_exact, meaning, options

TASK = "Which way?\nA. 5 km\nB) the long way round\n(C) none"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5 km", "5,000 metres"),
        ("50 %", "0.5"),
        ("1/2", ".5".replace(".", "0.")),
        ("$5", "5 dollars"),
        ("1.5 x 10^3", "1500"),
        ("Yes, it is.", "true"),
        ("five apples", "5 apples"),
        ("The answer is 42.", "42"),
        ("a red house", "Red house!"),
    ],
)
def test_the_same_in_another_writing_is_the_same(one: str, other: str) -> None:
    assert meaning(one, {}) == meaning(other, {}) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [("5 km", "5 m"), ("5", "-5"), ("yes", "no"), ("5 apples", "5"), ("safe", "not safe")],
)
def test_what_differs_stays_apart(one: str, other: str) -> None:
    assert meaning(one, {}) != meaning(other, {})


@pytest.mark.parametrize("answer", ["B", "(B)", "b) the long way round", "The long way round."])
def test_an_option_may_be_named_by_letter_or_by_text(answer: str) -> None:
    assert meaning(answer, options(TASK)) == "b"


def test_an_option_that_was_not_offered_means_nothing() -> None:
    assert meaning("K", options(TASK)) == meaning("who knows", options(TASK)) == ""
    assert options("A. lonely option") == {}


def test_only_words_need_a_judge() -> None:
    assert all(map(is_exact, ("yes", "b", "5000 m", "-0.5")))
    assert not any(map(is_exact, ("5 apples", "red house")))
