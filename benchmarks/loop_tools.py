"""Twenty small tools, the ways in which they break, and what they should give: for loop.py.

A break that the tests show can be repaired; one that they do not show can only be told; and a bad
deployment passes the tests, so that only its watch finds it out.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Piece:
    """A tool of one function in a file of its own; `truth` is what its documentation says."""

    name: str
    signature: str
    what: str
    body: str
    truth: Callable[..., Any]
    draw: Callable[[random.Random], Json]
    shown: str  # a line of it, and what a hurried colleague writes instead; tests show it
    broken: str
    hidden: str = ""  # … in the place of the same line; no test shows it

    @property
    def path(self) -> str:
        """Return its file."""
        return f"{self.name}.py"

    @property
    def tool(self) -> str:
        """Return its name as the registry has it."""
        return f"{self.name}.{self.name}"

    @property
    def source(self) -> str:
        """Return its file as it should be."""
        lines = "".join(f"    {line}\n" for line in self.body.split("\n"))
        return f'def {self.name}{self.signature}:\n    """{self.what}"""\n{lines}'

    def worse(self, how: str) -> str:
        """Return the source with its line written in another way."""
        assert self.shown in self.source, self.name
        return self.source.replace(self.shown, how, 1)

    def tests(self, chance: random.Random) -> str:
        """Return tests that know five calls, drawn by chance."""
        calls = (self.draw(chance) for _ in range(5))
        return f"from {self.name} import {self.name}\n" + known_calls(self.name, self.truth, calls)


def known_calls(name: str, truth: Callable[..., Any], calls: Iterable[Json]) -> str:
    """Return a test for each call of a function that knows what it gives."""
    text = ""
    for number, call in enumerate(calls):
        said = ", ".join(f"{key}={value!r}" for key, value in call.items())
        text += f"\n\ndef test_{number}():\n    assert {name}({said}) == {truth(**call)!r}\n"
    return text


def _pair(chance: random.Random) -> Json:
    return {"a": chance.randint(-40, 40), "b": chance.randint(1, 40)}


def _numbers(chance: random.Random) -> Json:
    return {"numbers": [chance.randint(-20, 20) for _ in range(chance.randint(3, 8))]}


def _text(chance: random.Random) -> Json:
    words = "alpha beta Gamma delta Epsilon zeta eta theta".split()
    return {"text": " ".join(chance.choice(words) for _ in range(chance.randint(2, 6)))}


PAIR, NUMBERS, TEXT = "(a: int, b: int) -> int", "(numbers: list[int]) -> int", "(text: str) -> str"
PIECES = (
    Piece(
        "total",
        PAIR,
        "Return a plus b.",
        "return a + b",
        lambda a, b: a + b,
        _pair,
        "a + b",
        "a - b",
    ),
    Piece(
        "product",
        PAIR,
        "Return a times b.",
        "return a * b",
        lambda a, b: a * b,
        _pair,
        "a * b",
        "a + b",
    ),
    Piece(
        "remainder",
        PAIR,
        "Return the rest of a divided by b.",
        "return a % b",
        lambda a, b: a % b,
        _pair,
        "a % b",
        "a // b",
    ),
    Piece(
        "larger",
        PAIR,
        "Return the larger of a and b.",
        "if a > b:\n    return a\nreturn b",
        lambda a, b: max(a, b),
        _pair,
        "a > b",
        "a < b",
    ),
    Piece(
        "smaller",
        PAIR,
        "Return the smaller of a and b.",
        "if a < b:\n    return a\nreturn b",
        lambda a, b: min(a, b),
        _pair,
        "a < b",
        "a > b",
    ),
    Piece(
        "distance",
        PAIR,
        "Return how far a and b are apart.",
        "return abs(a - b)",
        lambda a, b: abs(a - b),
        _pair,
        "abs(a - b)",
        "a - b",
    ),
    Piece(
        "quotient",
        PAIR,
        "Return a divided by b, rounded down.",
        "return a // b",
        lambda a, b: a // b,
        _pair,
        "a // b",
        "a % b",
    ),
    Piece(
        "mean_floor",
        PAIR,
        "Return the middle of a and b, rounded down.",
        "return (a + b) // 2",
        lambda a, b: (a + b) // 2,
        _pair,
        "(a + b)",
        "(a - b)",
    ),
    Piece(
        "sum_of",
        NUMBERS,
        "Return the sum of the numbers.",
        "result = 0\nfor number in numbers:\n    result += number\nreturn result",
        lambda numbers: sum(numbers),
        _numbers,
        "result += number",
        "result -= number",
    ),
    Piece(
        "highest",
        NUMBERS,
        "Return the highest number.",
        "best = numbers[0]\nfor number in numbers:\n    if number > best:\n"
        "        best = number\nreturn best",
        lambda numbers: max(numbers),
        _numbers,
        "number > best",
        "number < best",
    ),
    Piece(
        "count_positive",
        NUMBERS,
        "Return how many numbers are above zero.",
        "return sum(1 for number in numbers if number > 0)",
        lambda numbers: sum(n > 0 for n in numbers),
        _numbers,
        "number > 0",
        "number < 0",
    ),
    Piece(
        "last_of",
        NUMBERS,
        "Return the last number.",
        "return numbers[-1]",
        lambda numbers: numbers[-1],
        _numbers,
        "numbers[-1]",
        "numbers[0]",
    ),
    Piece(
        "spread",
        NUMBERS,
        "Return the highest number minus the lowest.",
        "return max(numbers) - min(numbers)",
        lambda numbers: max(numbers) - min(numbers),
        _numbers,
        "max(numbers) - min",
        "max(numbers) + min",
    ),
    Piece(
        "shouted",
        TEXT,
        "Return the text in capital letters.",
        "return text.upper()",
        lambda text: text.upper(),
        _text,
        "text.upper()",
        "text.lower()",
    ),
    Piece(
        "backwards",
        TEXT,
        "Return the letters in the opposite order.",
        "return text[::-1]",
        lambda text: text[::-1],
        _text,
        "text[::-1]",
        "text[::1]",
    ),
    Piece(
        "first_word",
        TEXT,
        "Return the first word.",
        "return text.split()[0]",
        lambda text: text.split()[0],
        _text,
        "split()[0]",
        "split()[1]",
    ),
    Piece(
        "word_count",
        "(text: str) -> int",
        "Return how many words there are.",
        "return len(text.split())",
        lambda text: len(text.split()),
        _text,
        "len(text.split())",
        "len(text)",
    ),
    # What follows breaks where no test looks, for every test is within the first hundred.
    Piece(
        "fee",
        "(cents: int) -> int",
        "Return a tenth of a price, at most fifty cents.",
        "part = cents // 10\nreturn min(part, 50)",
        lambda cents: min(cents // 10, 50),
        lambda chance: {"cents": chance.randint(0, 400)},
        "min(part, 50)",
        "max(part, 50)",
        "part",
    ),
    Piece(
        "discount",
        "(pieces: int) -> int",
        "Return the discount in percent, at most twenty.",
        "percent = pieces // 20\nreturn min(percent, 20)",
        lambda pieces: min(pieces // 20, 20),
        lambda chance: {"pieces": chance.randint(0, 390)},
        "min(percent, 20)",
        "max(percent, 20)",
        "percent",
    ),
    Piece(
        "points",
        "(score: int) -> int",
        "Return the points for a score, never above thirty.",
        "found = score // 3\nreturn min(found, 30)",
        lambda score: min(score // 3, 30),
        lambda chance: {"score": chance.randint(0, 90)},
        "min(found, 30)",
        "max(found, 30)",
        "found",
    ),
)
HIDDEN = tuple(piece for piece in PIECES if piece.hidden)
SHOWN = tuple(piece for piece in PIECES if not piece.hidden)
BEYOND: dict[str, Json] = {
    "fee": {"cents": 900},
    "discount": {"pieces": 900},
    "points": {"score": 300},
}
"""A call of each of the last three that the tests do not know, and that users make."""
