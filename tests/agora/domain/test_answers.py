import pytest
from hypothesis import given
from hypothesis import strategies as st

from agora.domain.answers import normal_form


@pytest.mark.parametrize(
    "same",
    [
        ("B", "(B)", "b.", "The answer is (B).", "Answer: B", "**Answer:** B", '{"answer": "B"}'),
        ("1000.5", "1,000.50", "1'000.5", "1.000,5", "1000.5.", "the answer is 1,000.5"),
        ("1000", "1,000", "1000.0", '{"answer": 1000}'),
        ("3.5", "3,5", "3.50", "03.5"),
        ("-5", "−5", "-5.0", "Answer: -5"),
        ("a red fox", "The red fox", "red, FOX!", "“Red fox”"),
        ("A", "a", "(a)"),
        ("1000000", "1,000,000", "1.000.000"),
        ("42", '```json\n{"answer": "42", "confidence": 0.9}\n```', "４２"),
        ("straße", "STRASSE"),
        ("50 %", "50%"),
    ],
)
def test_ways_to_write_one_answer_are_the_same(same: tuple[str, ...]) -> None:
    assert len({normal_form(answer) for answer in same}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5", "-5"),
        ("5", "50%"),
        ("1.5", "15"),
        ("3.5", "35"),
        ("1.2.3", "1.2.4"),
        ("A", "B"),
        ("yes", "no"),
        ("yes", "not yes"),
        ("x2", "x3"),
        ("red fox", "fox red"),
        ("0.001", "0.01"),
    ],
)
def test_different_answers_stay_different(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)


@pytest.mark.parametrize("blank", ["", "  ", "...", "---", '{"answer": ""}'])
def test_a_blank_answer_has_no_form(blank: str) -> None:
    assert normal_form(blank) == ""


@given(st.text())
def test_any_text_has_a_form_and_the_form_is_its_own(text: str) -> None:
    assert isinstance(normal_form(text), str)


@given(st.integers(-(10**12), 10**12))
def test_a_number_is_the_same_grouped_or_not(number: int) -> None:
    assert normal_form(f"{number:,}") == normal_form(f"{number}.00") == normal_form(str(number))
