"""Small tools that are slow, and some that must stay as they are: for faster.py.

Of the slow ones some are slow in a way that the rewrites know, others in a way that they do not.
The others look alike, but a version that looks right would do something else.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.loop_tools import known_calls

Json = dict[str, Any]
Draw = Callable[[random.Random, int], Json]


@dataclass(frozen=True)
class Piece:
    """A tool in a file of its own, the calls that are slow, and calls that nobody expects."""

    name: str
    what: str  # makes it slow, or must keep it as it is
    text: str
    draw: Draw  # arguments of about this size
    size: int  # of calls that are slow
    small: int = 12  # of calls that tests know, and versions are compared on
    odd: Sequence[Json] = ()
    tests: str = ""  # "": what it gives for five calls

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
        """Return its file."""
        return self.text.strip("\n") + "\n"

    def given(self, text: str) -> Callable[..., Any]:
        """Return the function of a version; what it remembers begins anew."""
        space: Json = {"__name__": self.name}
        exec(compile(text, self.path, "exec"), space)  # noqa: S102  # our own text
        function: Callable[..., Any] = space[self.name]
        return function

    def tested(self, chance: random.Random) -> str:
        """Return tests that know five small calls."""
        text = f"from {self.name} import {self.name}\n{self.tests}"
        calls = (self.draw(chance, size) for size in range(0 if self.tests else 5))
        return text + known_calls(self.name, self.given(self.source), calls)


def _count(chance: random.Random, size: int) -> Json:
    return {"count": size + chance.randint(0, size // 20)}


def _counts(*names: str) -> Draw:
    return lambda chance, size: {name: size + chance.randint(-1, 1) for name in names}


def _lists(chance: random.Random, size: int) -> Json:
    values = [chance.randint(0, 5 if size < 100 else 4) for _ in range(size)]
    return {"values": values, "known": [chance.randint(5, 9) for _ in range(size)]}


def _prices(chance: random.Random, size: int) -> Json:
    names = [f"p{number}" for number in range(max(1, 3 * size // 5))]
    prices = ", ".join(f'"{name}": {chance.randint(1, 99)}' for name in names)
    return {"text": f"{{{prices}}}", "names": [chance.choice(names) for _ in range(size)]}


def _texts(chance: random.Random, size: int) -> Json:
    return {name: "".join(chance.choices("abc", k=size)) for name in ("first", "second")}


def _coins(chance: random.Random, size: int) -> Json:
    return {"amount": size, "coins": sorted(chance.sample(range(1, 12), 4))}


def _lines(chance: random.Random, size: int) -> Json:
    words = ("ab 12", "x-7", "none", "3 of 4")
    return {"lines": [chance.choice(words) for _ in range(size)]}


NAN = float("nan")
ODD: tuple[Json, ...] = (
    {"values": [1, True, 1.0, 0, False, -0.0], "known": [1.0]},
    {"values": [NAN, 1, NAN], "known": [NAN, float("nan")]},
    {"values": [], "known": []},
    {"values": [1], "known": []},
)
NEGATIVE = ({"count": 0}, {"count": -1}, {"count": 1}, {"count": True})
SLOW = (
    Piece(
        "absent",
        "a list is asked whether it holds something",
        '''
def absent(values: list[int], known: list[int]) -> int:
    """Count the values that are not known."""
    return len([value for value in values if value not in known])
''',
        _lists,
        1250,
        odd=ODD,
    ),
    Piece(
        "distinct",
        "a list that fills is asked whether it holds something",
        '''
def distinct(count: int) -> int:
    """Add up the different remainders of squares."""
    found: list[int] = []
    for number in range(count):
        remainder = number * number % 15485863
        if remainder not in found:
            found.append(remainder)
    return sum(found)
''',
        _count,
        2600,
        odd=NEGATIVE,
    ),
    Piece(
        "lattice",
        "a function calls itself for the same again",
        '''
def lattice(rows: int, columns: int) -> int:
    """Count the ways through a grid."""
    if rows <= 0 or columns <= 0:
        return 1
    return lattice(rows - 1, columns) + lattice(rows, columns - 1)
''',
        _counts("rows", "columns"),
        11,
        small=6,
        odd=({"rows": True, "columns": 2}, {"rows": -3, "columns": 4}, {"rows": 1.0, "columns": 2}),
    ),
    Piece(
        "distance",
        "a function of texts calls itself for the same again",
        '''
def distance(first: str, second: str) -> int:
    """Count the letters to change, add or drop."""
    if not first or not second:
        return len(first) + len(second)
    if first[0] == second[0]:
        return distance(first[1:], second[1:])
    changed = distance(first[1:], second[1:])
    return 1 + min(changed, distance(first[1:], second), distance(first, second[1:]))
''',
        _texts,
        12,
        small=5,
        odd=({"first": "", "second": "a"},),
    ),
    Piece(
        "common",
        "a list is counted for each thing that it holds",
        '''
def common(count: int) -> list[int]:
    """Return the remainders that come up oftenest."""
    values = [number * number % 1009 for number in range(count)]
    return sorted({value for value in values if values.count(value) > 5})[:20]
''',
        _count,
        2800,
        odd=NEGATIVE,
    ),
    Piece(
        "spread",
        "things are taken from the front of a list",
        '''
def spread(count: int) -> int:
    """Add up a tree of numbers, level by level."""
    waiting: list[int] = [1]
    total = 0
    while waiting:
        number = waiting.pop(0)
        total += number % 7
        if number < count:
            waiting.append(2 * number)
            waiting.append(2 * number + 1)
    return total
''',
        _count,
        40_000,
        odd=NEGATIVE,
    ),
    Piece(
        "shares",
        "the greatest of a list is looked for in each turn",
        '''
def shares(count: int) -> float:
    """Add up numbers as shares of the greatest."""
    values = [number * 7919 % 104729 for number in range(count)]
    total = 0.0
    for value in values:
        total += value / max(values) if value else 0.0
    return round(total, 6)
''',
        _count,
        2200,
        odd=NEGATIVE,
    ),
    Piece(
        "invoice",
        "the same text is read in each turn",
        '''
import json


def invoice(text: str, names: list[str]) -> int:
    """Add up what these names cost in a list of prices."""
    return sum(json.loads(text)[name] for name in names)
''',
        _prices,
        450,
        odd=({"text": "", "names": []}, {"text": "{", "names": ["a"]}),
    ),
    Piece(
        "numbered",
        "a pattern is made in each turn",
        '''
import re


def numbered(lines: list[str]) -> int:
    """Count lines with a number, over and over as a slow reader does."""
    found = 0
    for _ in range(200):
        for line in lines:
            pattern = re.compile(r"\\d+")
            found += 1 if pattern.search(line) else 0
    return found
''',
        _lines,
        400,
        odd=({"lines": []}, {"lines": ["é1", "١"]}),
    ),
    Piece(
        "outliers",
        "a function of one's own is called for the same again",
        '''
def outliers(count: int) -> int:
    """Count the numbers far above the mean."""
    values = [number * number % 7919 for number in range(count)]
    return sum(1 for value in values if value > 1.5 * _mean(values))


def _mean(values: list[int]) -> float:
    return sum(values) / len(values)
''',
        _count,
        2500,
        odd=NEGATIVE,
    ),
    Piece(
        "steps",
        "a list is copied for each thing that is added",
        '''
def steps(count: int) -> int:
    """Return the sum of the last hundred triangular numbers."""
    found = [0]
    for number in range(count):
        found = found + [found[-1] + number]
    return sum(found[-100:])
''',
        _count,
        8000,
        odd=NEGATIVE,
    ),
    Piece(
        "twins",
        "each is compared with each",
        '''
def twins(count: int) -> int:
    """Count the pairs of equal remainders."""
    values = [number * number % 4001 for number in range(count)]
    pairs = 0
    for left in range(len(values)):
        for right in range(left + 1, len(values)):
            if values[left] == values[right]:
                pairs += 1
    return pairs
''',
        _count,
        1800,
        odd=NEGATIVE,
    ),
    Piece(
        "backwards",
        "a text is put together from its end",
        '''
def backwards(count: int) -> str:
    """Write numbers one before the other, and return the first letters."""
    text = ""
    for number in range(count):
        text = str(number) + "," + text
    return text[:60]
''',
        _count,
        26_000,
        odd=NEGATIVE,
    ),
    Piece(
        "medians",
        "a list is sorted in each turn",
        '''
def medians(count: int) -> int:
    """Add up the medians of all numbers so far."""
    seen: list[int] = []
    total = 0
    for number in range(count):
        seen.append(number * number % 7919)
        total += sorted(seen)[len(seen) // 2]
    return total
''',
        _count,
        1600,
        odd=NEGATIVE,
    ),
    Piece(
        "places",
        "the place of a thing is looked for from the front",
        '''
def places(count: int) -> int:
    """Add up where each number stands in an order."""
    order = [number * 7919 % 100003 for number in range(count)]
    return sum(order.index(number * 7919 % 100003) for number in range(count))
''',
        _count,
        3500,
        odd=NEGATIVE,
    ),
    Piece(
        "totals",
        "sums begin at the front in each turn",
        '''
def totals(count: int) -> int:
    """Return the greatest sum of the first numbers."""
    values = [number * number % 101 - 50 for number in range(count)]
    return max([sum(values[: place + 1]) for place in range(len(values))], default=0)
''',
        _count,
        3500,
        odd=NEGATIVE,
    ),
    Piece(
        "primes",
        "every number is tried as a divisor",
        '''
def primes(count: int) -> int:
    """Count the primes below a number."""
    found = 0
    for number in range(2, count):
        if all(number % divisor for divisor in range(2, number)):
            found += 1
    return found
''',
        _count,
        4000,
        odd=NEGATIVE,
    ),
    Piece(
        "ways",
        "a function of a list calls itself for the same again",
        '''
def ways(amount: int, coins: list[int]) -> int:
    """Count the ways to pay an amount, in any order of coins."""
    if amount <= 0:
        return 1 if amount == 0 else 0
    return sum(ways(amount - coin, coins) for coin in coins)
''',
        _coins,
        33,
        small=9,
        odd=({"amount": 3, "coins": []}, {"amount": 2.0, "coins": [1, True]}),
    ),
    Piece(
        "ordered",
        "a table is gone through for each order",
        '''
def ordered(count: int) -> int:
    """Add up what orders cost by a table of numbers and prices."""
    table = [(number, number * number % 97) for number in range(count)]
    orders = [number * 7919 % 1009 for number in range(count)]
    total = 0
    for order in orders:
        for number, price in table:
            if number == order:
                total += price
    return total
''',
        _count,
        2000,
        odd=NEGATIVE,
    ),
    Piece(
        "longest",
        "the same chains are followed again",
        '''
def longest(count: int) -> int:
    """Return the number whose chain of halves and triples is the longest."""
    best = (0, 0)
    for start in range(1, count):
        number, length = start, 1
        while number != 1:
            number = number // 2 if number % 2 == 0 else 3 * number + 1
            length += 1
        best = max(best, (length, -start))
    return -best[1]
''',
        _count,
        7000,
        odd=NEGATIVE,
    ),
)
KEPT = (
    Piece(
        "quick",
        "it is fast already",
        '''
def quick(values: list[int], known: list[int]) -> int:
    """Count the values that are not known."""
    return sum(value not in known for value in values)
''',
        _lists,
        20,
    ),
    Piece(
        "paused",
        "it waits, and nobody can tell from results what for",
        '''
import time


def paused(count: int) -> int:
    """Give a slow device the time it needs."""
    for _ in range(count):
        time.sleep(0.002)
    return count
''',
        _count,
        20,
        small=2,
    ),
    Piece(
        "drawn",
        "it draws by chance",
        '''
import random


def drawn(count: int) -> int:
    """Count how many draws are unlike all before them."""
    seen: list[int] = []
    for _ in range(count):
        number = random.randrange(10**9)
        if number not in seen:
            seen.append(number)
    return len(seen)
''',
        _count,
        2500,
        tests="\n\ndef test_few():\n    assert drawn(3) <= 3\n",
    ),
    Piece(
        "filed",
        "it looks into a file in each turn",
        '''
from pathlib import Path


def filed(count: int) -> int:
    """Count the lines of a file that others may be writing."""
    return sum(_lines("/etc/passwd") for _ in range(count))


def _lines(name: str) -> int:
    return len(Path(name).read_text().splitlines())
''',
        _count,
        1500,
        tests="\n\ndef test_none():\n    assert filed(0) == 0\n",
    ),
    Piece(
        "noted",
        "it leaves a note in its module",
        '''
NOTES: list[int] = []


def noted(count: int) -> int:
    """Add up sums, and leave a note of each for whoever audits them."""
    return sum(_total(count) + number for number in range(count))


def _total(count: int) -> int:
    NOTES.append(count)
    return sum(range(count))
''',
        _count,
        2200,
    ),
    Piece(
        "rows",
        "what the list holds has no hash",
        '''
def rows(count: int) -> int:
    """Count the different rows of a table."""
    found: list[list[int]] = []
    for number in range(count):
        row = [number % 1999, number % 7]
        if row not in found:
            found.append(row)
    return len(found)
''',
        _count,
        1500,
    ),
    Piece(
        "anything",
        "what the list holds may have no hash",
        '''
def anything(values: list, known: list) -> int:
    """Count the values, whatever they are, that are not known."""
    return len([value for value in values if value not in known])
''',
        _lists,
        1250,
        odd=({"values": [[1], 2], "known": [3]}, {"values": [{"a": 1}], "known": [[1]]}),
    ),
    Piece(
        "readings",
        "equal things have different hashes",
        '''
class Reading:
    """A value; those nearly alike are equal."""

    def __init__(self, value: int) -> None:
        """Keep the value."""
        self.value = value

    def __eq__(self, other: object) -> bool:
        """Return whether it is near."""
        return isinstance(other, Reading) and abs(self.value - other.value) < 3

    def __hash__(self) -> int:
        """Return a number that is not that of its equals."""
        return self.value


def readings(count: int) -> int:
    """Count readings that are unlike all before them."""
    found: list[Reading] = []
    for number in range(count):
        reading = Reading(number * 37 % 1009)
        if reading not in found:
            found.append(reading)
    return len(found)
''',
        _count,
        1500,
    ),
    Piece(
        "stages",
        "a list is given away before it grows",
        '''
def stages(count: int) -> int:
    """Add up how long the list was at each step."""
    now: list[int] = []
    kept: list[list[int]] = []
    for number in range(count):
        now = now + [number]
        kept.append(now)
    return sum(len(one) for one in kept)
''',
        _count,
        2500,
    ),
    Piece(
        "stream",
        "a generator is used up",
        '''
def stream(count: int) -> int:
    """Count the numbers that a stream still brings when it is asked for them."""
    total = 0
    for start in range(count // 20):
        squares = (number * number % 1009 for number in range(count))
        total += sum(1 for number in range(start, start + 9) if number in squares)
    return total
''',
        _count,
        2400,
    ),
    Piece(
        "taken",
        "the list that is asked changes",
        '''
def taken(values: list[int], known: list[int]) -> int:
    """Count the values that were known, each of them once for each time it is there."""
    found = 0
    for _ in range(2):
        for value in values:
            if value in known:
                known.remove(value)
                found += 1
    return found + len(known)
''',
        _lists,
        1250,
    ),
    Piece(
        "chains",
        "whoever gets a list alters it",
        '''
def chains(count: int) -> int:
    """Return the sum of all chains."""
    return sum(len(one) for one in _chains(count))


def _chains(count: int) -> list[list[int]]:
    if count <= 1:
        return [[count]]
    found = _chains(count - 1) + _chains(count - 2)
    for one in found:
        one.append(count)
    return found
''',
        _counts("count"),
        22,
        small=8,
    ),
    Piece(
        "queue",
        "whoever asks gets a list",
        '''
def queue(count: int) -> list[int]:
    """Return who is left when everyone else has been served."""
    waiting = [0]
    for number in range(1, count):
        waiting.append(number)
        waiting.append(-number)
        waiting.pop(0)
    return waiting[-5:]
''',
        _count,
        60_000,
    ),
)
