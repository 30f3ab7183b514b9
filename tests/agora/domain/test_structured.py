import pytest
from pydantic import BaseModel, Field, ValidationError

from agora.domain.structured import fit, instruction


class Opinion(BaseModel):
    answer: str
    confidence: float = Field(ge=0, le=1)
    reasons: list[str] = []


@pytest.mark.parametrize(
    "text",
    [
        '{"answer": "yes", "confidence": 0.5}',
        '```json\n{"answer": "yes", "confidence": 0.5}\n```',
        'Sure! Here it is:\n```\n{"answer": "yes", "confidence": 0.5}\n```\nAnything else?',
        'My opinion is {"answer": "yes", "confidence": 0.5}. I hope this helps.',
        "{'answer': 'yes', 'confidence': 0.5}",
        '{answer: "yes", confidence: 0.5}',
        '{"answer": "yes", "confidence": 0.5,}',
        '{"answer": "yes" "confidence": 0.5}',
        '{"answer": "yes", // sure\n "confidence": 0.5}',
    ],
)
def test_what_a_weak_model_writes_is_read_as_json(text: str) -> None:
    assert Opinion.model_validate_json(fit(text, Opinion)).answer == "yes"


@pytest.mark.parametrize(
    "text",
    [
        "yes, I am half sure",
        '{"answer": "yes"}',
        '{"answer": "yes", "confidence": 7}',
        '["yes", 0.5]',
        "",
    ],
)
def test_what_does_not_fit_is_not_bent_until_it_does(text: str) -> None:
    with pytest.raises(ValidationError):
        fit(text, Opinion)


@pytest.mark.parametrize(
    "text",
    [
        '{"answer": "yes", "confidence": 0.5, "reasons": ["it is pla',
        '{"answer": "yes", "confidence": 0.5, "reasons": ["plain"',
        '{"answer": "no, but if',
        '```json\n{"answer": "yes", "confidence": 0.5',
    ],
)
def test_nobody_guesses_what_would_have_followed(text: str) -> None:
    with pytest.raises(ValidationError):
        fit(text, Opinion)


def test_the_schema_is_told_in_words() -> None:
    assert "confidence" in instruction(Opinion) and "JSON" in instruction(Opinion)
