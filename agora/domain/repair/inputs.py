"""Inputs for a tool like those that were recorded: smaller, varied, empty, greater, of all kinds.

What its type hints admit may come, even where nobody has sent it yet: lists in a plain list.
"""

import ast
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from agora.domain.contracts import Json, Replay
from agora.domain.repair.imagine import imagined
from agora.domain.repair.locate import Call
from agora.domain.signatures import fits

SEEDS = 12  # recorded calls that others are made from
SMALL, ITEMS, LETTERS = 12, 6, 24
"""Numbers below, and so much of lists and texts: slow calls are varied where they are short."""
GREATER = (2, 4)
"""Times: deep recursion ends earlier in one version than in another."""
EMPTY: dict[type, Any] = {str: "", list: [], dict: {}, int: 0}
CORNERS = 16
KINDS: tuple[Any, ...] = ([], {}, None, True, 1.0, float("nan"), "", 1)
LONGEST = 8_000  # characters of a greater call


def inputs(replays: Sequence[Replay], schema: Json, seed: int, most: int) -> list[Json]:
    """Return arguments by name, at most so many and each once; the same for the same seed.

    `schema` is that of the tool's parameters.
    """
    known = [one.arguments for one in replays[:SEEDS] if one.arguments]
    groups: dict[tuple[str, ...], list[Json]] = {}
    for one in known:
        groups.setdefault(tuple(one), []).append(one)
    found: dict[str, Json] = {}
    for names, group in groups.items():
        first = group[0]
        calls = [*_corners(first), *_of_all_kinds(first, schema)]
        calls += [*_greater(group[-1]), *_varied(names, group, seed)]
        found |= {repr(call): call for call in calls[: max(1, most // len(groups))]}
    return list(found.values())


def _varied(names: tuple[str, ...], group: Sequence[Json], seed: int) -> Iterator[Json]:
    small = [tuple(repr(_small(one[name])) for name in names) for one in group]
    calls = [Call(path="tool.py", name="tool", arguments=texts) for texts in small]
    for call in imagined(calls, seed):
        values = (ast.literal_eval(text) for text in call.arguments)
        yield dict(zip(names, values, strict=True))


def _small(value: Any) -> Any:
    if isinstance(value, list):
        return [_small(one) for one in value[:ITEMS]]
    if isinstance(value, dict):
        return {key: _small(one) for key, one in list(value.items())[:ITEMS]}
    if isinstance(value, str):
        return value[:LETTERS]
    is_great = isinstance(value, int) and not isinstance(value, bool) and abs(value) >= SMALL
    return abs(value) % SMALL if is_great else value


def _corners(call: Json) -> Iterator[Json]:
    """Yield a call with each argument small or empty, in every combination."""
    choices = [
        [_small(value)] + ([EMPTY[type(value)]] if type(value) in EMPTY else [])
        for value in call.values()
    ]
    for values in list(product(*choices))[:CORNERS]:
        yield dict(zip(call, values, strict=True))


def _of_all_kinds(call: Json, schema: Json) -> Iterator[Json]:
    """Yield a call with something of another kind that the type hints admit as well."""
    small = {name: _small(value) for name, value in call.items()}
    for name, value in small.items():
        for other in _others(value, schema.get("properties", {}).get(name, {})):
            yield small | {name: other}


def _others(value: Any, schema: Json) -> Iterator[Any]:
    """Yield values of other kinds, and a value with one of them within."""
    admitted = (one for one in KINDS if fits(one, schema))
    yield from (one for one in admitted if type(one) is not type(value) or one != one)
    options = schema.get("anyOf", [schema])
    if isinstance(value, list):
        items: Json = next((one["items"] for one in options if "items" in one), {})
        yield from ([other, *value] for other in _others(value[0] if value else 0, items))
    if isinstance(value, dict) and value:
        key, first = next(iter(value.items()))
        values = [one.get("additionalProperties") for one in options]
        held = next((one for one in values if isinstance(one, dict)), {})
        yield from ({**value, key: other} for other in _others(first, held))


def _greater(call: Json) -> Iterator[Json]:
    """Yield a call with one argument, and with all of them, some times as great."""
    for times in GREATER:
        greater = {name: _times(value, times) for name, value in call.items()}
        for name in call:
            yield call | {name: greater[name]}
        if len(repr(greater)) <= LONGEST:
            yield greater


def _times(value: Any, times: int) -> Any:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value * times if is_number or isinstance(value, str | list) else value
