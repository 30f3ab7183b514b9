"""Exercises: tasks whose right answers are known, to learn from before anybody waits."""

import json
import re
from collections.abc import Iterable
from typing import Any

from pydantic import Field, ValidationError, field_validator

from agora.domain.answers import normal_form
from agora.domain.contracts import Contract
from agora.domain.errors import UsageError

EXAMPLE = '{"text": "What is 6 times 7?", "answer": "42", "domain": "mathematics"}'
MARKED = re.compile(r"^\W*(?:final )?answer\W*:\s*(.+)$", re.IGNORECASE | re.MULTILINE)


class Exercise(Contract):
    """A task, and every answer that is right."""

    text: str = Field(min_length=1, max_length=100_000)
    answer: tuple[str, ...] = Field(min_length=1)
    domain: str | None = None

    @field_validator("answer", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        one = isinstance(given, str | int | float)
        listed = [given] if one else given
        return [str(each) for each in listed] if isinstance(listed, list) else listed

    def is_right(self, reply: str) -> bool:
        """Return whether a reply gives a right answer: marked by `Answer:`, else its last line."""
        marked = MARKED.findall(reply)
        lines = [line for line in reply.splitlines() if line.strip()]
        said = normal_form((marked or lines or [""])[-1])
        return said != "" and said in {normal_form(one) for one in self.answer}


def parse(source: str, lines: Iterable[str]) -> list[Exercise]:
    """Read one JSON object a line; raise UsageError naming source, line and field."""
    found = [
        _parsed(f"{source}:{number}", line)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not found:
        raise UsageError(f"{source}: holds no exercise", f"write one a line: {EXAMPLE}")
    return found


def _parsed(place: str, line: str) -> Exercise:
    try:
        return Exercise.model_validate(json.loads(line))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the line"
        raise UsageError(f"{place}: {field}: {first['msg']}", f"such as {EXAMPLE}") from None
    except ValueError as error:
        raise UsageError(f"{place}: is not JSON ({error})", f"such as {EXAMPLE}") from None
