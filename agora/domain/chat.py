"""Asking a model: the only way to one, streaming, under one deadline for all of it."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import BaseModel

from agora.domain.doors import require_act
from agora.domain.models import Model, tokens_of
from agora.domain.replies import Reply
from agora.domain.settings import Settings

LEAST_WINDOW = 4096  # tokens; what Ollama itself starts with


async def ask(
    model: Model,
    messages: Sequence[Mapping[str, Any]],
    settings: Settings,
    *,
    tools: Sequence[Any] = (),
    deadline_s: float,
    answer_tokens: int,
    on_token: Callable[[str], None] | None = None,
    schema: type[BaseModel] | None = None,
    is_formal: bool = True,
    has_relief: bool = False,
) -> Reply:
    """Return the model's whole answer, or raise the ModelFault that kept it from answering.

    Messages are {"role", "content", "tool_calls"?, "tool_call_id"?}; `on_token` gets the answer's
    text piece by piece. With a `schema` the text is JSON that fits it, and where it `is_formal`
    the server is told so. What must be paid for a fault is its `spent`. One retry at most, before
    the first token; where it `has_relief`, for no long wait. Only in an `ask_model` act.
    """
    require_act("ask_model")
    await load()
    from agora.domain.attempts import Question, answer

    sent = prompt_tokens(messages, tools, schema)
    question = Question(
        model=model,
        messages=messages,
        api_key=settings.key_of(model.vendor),
        tools=tools,
        schema=schema,
        is_formal=is_formal,
        sent=sent,
        window=window_of(model, sent, answer_tokens),
        answer_tokens=answer_tokens,
        deadline_s=deadline_s,
        has_relief=has_relief,
    )
    return await answer(question, on_token)


async def load() -> None:
    """Load the vendors' clients, once: in a thread, because it takes two seconds and others wait.

    Who counts a deadline does so before it begins to count, and nobody before a model is asked.
    """
    if not _loaded.cache_info().currsize:
        await asyncio.to_thread(_loaded)


@cache
def _loaded() -> bool:
    import_module("agora.domain.attempts")
    return True


def prompt_tokens(
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Any] = (),
    schema: type[BaseModel] | None = None,
) -> int:
    """Return an estimate of the tokens that a prompt takes, for bids and reservations."""
    parts: list[Any] = [*map(dict, messages), *map(str, tools)]
    parts += [schema.model_json_schema()] if schema else []
    return sum(tokens_of(json.dumps(part, ensure_ascii=False, default=str)) for part in parts)


def window_of(model: Model, sent: int, answer_tokens: int) -> int:
    """Return how many tokens an Ollama server shall hold: few sizes, as each change reloads it."""
    window = LEAST_WINDOW
    while window < 1.5 * sent + answer_tokens:
        window *= 2
    return min(window, model.context)
