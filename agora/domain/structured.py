"""Structured output that weak models manage: what they write is read as JSON where it can be."""

import re
from collections.abc import Iterator

import json_repair
from pydantic import BaseModel, ValidationError

from agora.domain.contracts import Json


def fit(text: str, schema: type[BaseModel]) -> str:
    """Return the JSON in a text that fits the schema; raise ValidationError for the text itself.

    Code fences and prose around it are left out, and its form is mended: quotes, commas, keys.
    What breaks off in the middle is not mended: nobody knows what would have followed.
    """
    for wording in _wordings(text):
        try:
            schema.model_validate_json(wording)
        except ValidationError:
            continue
        return wording
    schema.model_validate_json(unfenced(text))
    raise AssertionError("one of its wordings would have fitted")


def unfenced(text: str) -> str:
    """Return what stands in the one code fence of a text, or the text."""
    fence = re.search(r"```\w*\s*\n(.*?)\n?```", text.strip(), re.DOTALL)
    return fence[1] if fence else text.strip()


def _wordings(text: str) -> Iterator[str]:
    yield text
    inner = unfenced(text)
    yield inner
    if found := re.search(r"[{\[].*[}\]]", inner, re.DOTALL):
        yield found[0]
        if _is_whole(found[0]):
            yield json_repair.repair_json(found[0])


def _is_whole(text: str) -> bool:
    """Return whether every bracket outside of strings is closed."""
    bare = re.sub(r'"(?:\\.|[^"\\])*"', "", text)
    return '"' not in bare and len(re.findall(r"[{\[]", bare)) == len(re.findall(r"[}\]]", bare))


def instruction(schema: type[BaseModel]) -> str:
    """Return the words that ask a model for JSON of this schema."""
    wanted: Json = schema.model_json_schema()
    return f"Answer with one JSON object and nothing else. Its JSON Schema is: {wanted}"
