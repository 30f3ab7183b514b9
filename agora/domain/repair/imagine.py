"""Inputs like those of the visible tests, on which rival patches may differ."""

import ast
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from agora.domain.repair.locate import Call

INPUTS = 90
LONGEST = 400  # characters of one input
SMALL = (0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 16, 25, -1, -2, 100)


def imagined(calls: Sequence[Call], seed: int) -> list[Call]:
    """Return the calls themselves and variations of them; the same for the same seed."""
    plain = [call for call in _distinct(calls) if _literals(call) is not None]
    chance, found = random.Random(seed), dict.fromkeys(plain)
    for _ in range(6 * INPUTS if plain else 0):
        call = chance.choice(plain)
        arguments = list(_literals(call) or ())
        for _ in range(chance.choice((1, 1, 2, 3))):
            place = chance.randrange(len(arguments))
            donors = [v for other in plain for v in _donated(other, call, place)]
            arguments[place] = _varied(arguments[place], donors, chance)
        texts = tuple(map(repr, arguments))
        if sum(map(len, texts)) <= LONGEST:
            found[call.but(arguments=texts)] = None
        if len(found) >= INPUTS:
            break
    return list(found)


def _distinct(calls: Sequence[Call]) -> list[Call]:
    return list(dict.fromkeys(call for call in calls if call.name.isidentifier()))


def _literals(call: Call) -> tuple[Any, ...] | None:
    try:
        return tuple(ast.literal_eval(text) for text in call.arguments)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _donated(other: Call, call: Call, place: int) -> Iterator[Any]:
    """Yield what another call of the same function has in the same place."""
    if (other.path, other.name) == (call.path, call.name):
        values = _literals(other) or ()
        if place < len(values):
            yield values[place]


def _varied(value: Any, donors: Sequence[Any], chance: random.Random) -> Any:
    """Return a neighbour of a value, of the same kind."""
    if donors and chance.random() < 0.2:
        return chance.choice(donors)
    for kind, vary in _VARIATIONS:
        if isinstance(value, kind):
            return vary(value, donors, chance)
    return value


def _flag(value: bool, donors: Sequence[Any], chance: random.Random) -> bool:
    return not value


def _number(value: int, donors: Sequence[Any], chance: random.Random) -> int:
    near = (value + 1, value - 1, value + 2, value * 2, value // 2, value + 10, -value)
    # Where no test has a negative number, none is meant.
    signed = any(isinstance(other, int) and other < 0 for other in donors)
    choice = chance.choice((*near, *SMALL))
    return choice if signed or choice >= 0 else abs(choice)


def _fraction(value: float, donors: Sequence[Any], chance: random.Random) -> float:
    return chance.choice((value + 1, value - 0.5, value * 2, value / 2, -value, 0.0, value + 0.1))


def _text(value: str, donors: Sequence[Any], chance: random.Random) -> str:
    letters = "".join(other for other in donors if isinstance(other, str)) or value or "ab"
    return "".join(_sequence(list(value), list(letters), chance))


def _list(value: list[Any], donors: Sequence[Any], chance: random.Random) -> list[Any]:
    pool = [item for other in donors if isinstance(other, list) for item in other]
    changed = _sequence(value, pool or value, chance)
    if changed and chance.random() < 0.5:
        place = chance.randrange(len(changed))
        same = [item for item in pool if type(item) is type(changed[place])]
        changed[place] = _varied(changed[place], same, chance)
    return changed


def _tuple(value: tuple[Any, ...], donors: Sequence[Any], chance: random.Random) -> tuple[Any, ...]:
    return tuple(_varied(item, (), chance) if chance.random() < 0.5 else item for item in value)


def _mapping(value: dict[Any, Any], donors: Sequence[Any], chance: random.Random) -> dict[Any, Any]:
    kept = [key for key in value if chance.random() < 0.8]
    return {key: _varied(value[key], (), chance) for key in kept}


def _sequence(items: list[Any], pool: list[Any], chance: random.Random) -> list[Any]:
    """Drop, double, exchange, insert, turn round, or shorten."""
    changed, length = list(items), len(items)
    place = chance.randrange(length) if length else 0
    kind = chance.randrange(8)
    if kind == 0 and length:
        del changed[place]
    elif kind == 1 and length:
        changed.insert(place, changed[place])
    elif kind == 2 and length > 1:
        other = chance.randrange(length)
        changed[place], changed[other] = changed[other], changed[place]
    elif kind == 3:
        changed.reverse()
    elif kind == 4:
        changed = changed[: chance.randrange(length + 1)]
    elif kind == 5:
        changed = changed + list(items)
    elif pool:
        changed.insert(chance.randrange(length + 1), chance.choice(pool))
    return changed


_VARIATIONS: tuple[tuple[type, Callable[[Any, Sequence[Any], random.Random], Any]], ...] = (
    (bool, _flag),
    (int, _number),
    (float, _fraction),
    (str, _text),
    (list, _list),
    (tuple, _tuple),
    (dict, _mapping),
)
