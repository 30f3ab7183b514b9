"""Why a model's reply does not count: asked before an outcome is learned from or shown."""

import json
import re
from collections.abc import Sequence
from typing import Any

COMPLETE = frozenset(("stop", "end_turn", "eos", "stop_sequence"))
"""What servers say when a model has ended by itself; `length` and silence say that it was cut."""

_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"^```[\w-]*\n(.*?)\n?```$", re.DOTALL)
_MARKUP = re.compile(r"```[\w-]*|</?[a-zA-Z][^<>]{0,200}>|[`*_#>|~=-]")
_APOLOGY = r"(?:(?:i'?m |i am )?(?:very |so )?sorry|unfortunately|i apologi[sz]e|apologies)[,.!:]? "
_CANNOT = (
    r"(?:can'?t|can ?not|am (?:unable|not able) to|'m (?:unable|not able) to|won'?t|will not"
    r"|must (?:decline|refuse)|am not (?:allowed|permitted) to|(?:do not|don't) feel comfortable)"
)
_HELP = (
    r"(?:help|assist|answer|comply|complete|fulfil|provide|discuss|engage|respond"
    r"|do (?:that|this))\b(?! but\b)"
)
_REFUSAL = re.compile(
    rf"^(?:{_APOLOGY}(?:but )?(?:as an ai[^,.]{{0,40}}, )?i ?{_CANNOT}\b(?! help but\b)"
    rf"|i ?{_CANNOT} (?:to )?{_HELP}|as an ai (?:language )?(?:model|assistant)\b"
    rf"|i ?{_CANNOT}[.!]?$)"
)
_UNKNOWING = re.compile(
    r"^(?:sorry, )?i (?:do not|don'?t) (?:know|have (?:that|this|any|enough) info)"
)
_CALL_MARK = re.compile(
    r"<tool_call>|<function[=_]|\[TOOL_CALLS\]|<\|python_tag\|>|<\|tool|^functions\.\w+"
)
_TAIL = 4000  # characters that are searched for an endless repetition
_SHORT = 200  # characters; a longer reply that begins with "I don't know" goes on to say something


def validate(text: str, finish: str | None, tools: Sequence[str] = ()) -> str | None:
    """Return why the reply does not count, as a clause after "the reply", or None if it does.

    `finish` is what the server gave as reason of the end (None: nothing), `tools` the names of
    those that were offered. A reply that asks for tools properly is not for here.
    """
    said = _THOUGHT.sub("", text).strip()
    plain = " ".join(said.lower().replace("’", "'").split())
    if not _MARKUP.sub("", said).strip():
        return "is empty"
    if _is_endless(said):
        return "repeats itself without end"
    if finish == "content_filter":
        return "was withheld by the server's content filter"
    if finish not in COMPLETE:
        return f"was cut short ({finish})" if finish else "was cut short"
    if _is_tool_call(said, tools):
        return "is a tool call written as text"
    if _REFUSAL.match(plain):
        return "is a refusal"
    if len(plain) <= _SHORT and _UNKNOWING.match(plain):
        return "says that it does not know"
    return None


def _is_tool_call(said: str, tools: Sequence[str]) -> bool:
    fenced = _FENCE.match(said)
    bare = fenced[1].strip() if fenced else said
    if _CALL_MARK.match(bare):
        return True
    if any(bare.startswith(f"{name}(") and bare.endswith(")") for name in tools):
        return True
    try:
        content = json.loads(bare)
    except (ValueError, RecursionError):
        return False
    calls = content if isinstance(content, list) else [content]
    return bool(calls) and all(_asks_for_tool(call, tools) for call in calls)


def _asks_for_tool(call: Any, tools: Sequence[str]) -> bool:
    if not isinstance(call, dict):
        return False
    if isinstance(call.get("function"), dict):
        call = call["function"]
    arguments = {"arguments", "parameters"} & call.keys()
    return "tool_calls" in call or bool(arguments and (call.get("name") in tools or not tools))


def _is_endless(said: str) -> bool:
    """Return whether the reply ends in ten or more copies of something, 200 characters together."""
    tail = said[-_TAIL:][::-1]
    border = [0] * len(tail)  # Knuth, Morris, Pratt 1977: length - border is the period
    for place in range(1, len(tail)):
        length = border[place - 1]
        while length and tail[place] != tail[length]:
            length = border[length - 1]
        border[place] = length + (tail[place] == tail[length])
        if place >= _SHORT and place + 1 >= 10 * (place + 1 - border[place]):
            return True
    return False
