import pytest

from agora.domain.errors import UsageError
from agora.domain.exercises import Exercise, parse

SIX = Exercise(text="What is 6 times 7?", answer=("42",))


@pytest.mark.parametrize(
    "reply",
    ["42", "Answer: 42", "6 times 7 makes\n\nAnswer: 42.", "**Final answer:** 42", "It is so.\n42"],
)
def test_the_answer_is_what_stands_last(reply: str) -> None:
    assert SIX.is_right(reply)


@pytest.mark.parametrize("reply", ["", "Answer: 420", "42 is wrong.\nAnswer: 41", "I cannot say"])
def test_another_answer_is_wrong_whatever_it_mentions(reply: str) -> None:
    assert not SIX.is_right(reply)


def test_every_answer_that_is_given_is_right() -> None:
    either = Exercise(text="Which?", answer=("B", "both"))
    assert either.is_right("Answer: (B)") and either.is_right("Both") and not either.is_right("A")


def test_a_file_is_read_line_by_line() -> None:
    lines = [
        '{"text": "1+1?", "answer": 2, "domain": "sums"}',
        "",
        '{"text": "x", "answer": ["y"]}',
    ]
    first, second = parse("set.jsonl", lines)
    assert first == Exercise(text="1+1?", answer=("2",), domain="sums")
    assert second.answer == ("y",)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["{"], "set.jsonl:1: is not JSON"),
        (['{"text": "a", "answer": "b"}', '{"text": "a"}'], "set.jsonl:2: answer"),
        (['{"text": "a", "answer": "b", "hint": 1}'], "set.jsonl:1: hint"),
        (["7"], "set.jsonl:1: the line"),
        ([], "holds no exercise"),
    ],
)
def test_a_bad_line_is_named(lines: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        parse("set.jsonl", lines)
    assert "answer" in raised.value.hint
