import ast

import pytest

from agora.domain.repair.edits import OPERATORS, Attempt, pairs, singles
from agora.domain.repair.source import Edit, Source
from agora.domain.repair.trials import Failure

LIBRARY = '''
import math

RATES = {"a": 0.5, "b": 2}


class Basket:
    """Holds prices."""

    def __init__(self, prices=[], limit=10):
        self.prices = prices
        self.limit = limit

    def total(self, start: int = 0) -> int:
        found = start
        for index, price in enumerate(self.prices):
            if price > 0 and not price == self.limit:
                found += price * 2 - (index + 1)
            elif price is None:
                continue
            else:
                found = max(found, len(self.prices[1:index]))
        return found


def shares(values, parts):
    if not values:
        raise ValueError("nothing")
    try:
        low, high = sorted(values)[0], values[-1]
        ratio = [v / parts for v in values if v != low]
    except (KeyError, TypeError):
        return None
    while high > low:
        high -= 1  # käse, to shift columns
    label = "even" if parts % 2 == 0 else "odd"; done = True
    print(label, ratio[high], RATES["a"])


def sign(n):
    for digit in str(n):
        print(digit)
    if n < 0:
        found = "-"
    else:
        found = "+"
    return found


async def wait(n):
    return await other(n) if n else math.floor(n)


async def other(n): return n
'''


def source(text: str = LIBRARY) -> Source:
    return Source("tool.py", text.encode(), helpers=("shares", "wait"))


def everything(text: str = LIBRARY) -> list[Attempt]:
    one = source(text)
    lines = {("tool.py", line): 1.0 for line in range(1, text.count("\n") + 1)}
    return singles([one], lines, (), ())


def texts(text: str) -> set[str]:
    return {source(text).edited(attempt.edits[0].parts).decode() for attempt in everything(text)}


def test_every_edit_is_valid_python() -> None:
    broken = []
    for attempt in everything():
        text = source().edited(attempt.edits[0].parts)
        try:
            ast.parse(text)
        except SyntaxError:
            broken.append(attempt.edits[0])
    assert len(broken) <= len(everything()) * 0.01, broken[:5]


def test_every_operator_finds_something_to_edit() -> None:
    lines = {edit.operator for attempt in everything() for edit in attempt.edits}
    assert len(lines) > 40
    for operator in OPERATORS:
        one = source()
        found: list[Edit] = [e for node in ast.walk(one.tree) for e in operator(one, node)]
        assert found, operator.__name__


def test_a_forgotten_method_is_called_on_what_has_it() -> None:
    text = "def words(said):\n    return len(said)\n"
    one = Source("tool.py", text.encode(), {1: {"said": "str"}})
    found = singles([one], {("tool.py", 2): 1.0}, (), ())
    edited = [one.edited(attempt.edits[0].parts).decode() for attempt in found]
    assert text.replace("len(said)", "len(said.split())") in edited
    assert not any("said.items()" in each for each in edited), "a text has no items"


def test_an_edit_leaves_all_other_lines_alone() -> None:
    before = LIBRARY.splitlines()
    for attempt in everything():
        edit = attempt.edits[0]
        if len(edit.parts) == 1 and edit.operator in ("operator", "constant", "variable"):
            after = source().edited(edit.parts).decode().splitlines()
            assert sum(a != b for a, b in zip(before, after, strict=True)) == 1


@pytest.mark.parametrize(
    "old, new",
    [
        ("a < b", "a <= b"),
        ("a in b", "b in a"),
        ("a - b", "a + b"),
        ("(a + b) * 2", "a * 2"),
        ("a and b", "a or b"),
        ("not a", "a"),
        ("a[b]", "a[b - 1]"),
        ("range(b)", "range(1, b)"),
        ("a.startswith(b)", "a.endswith(b)"),
        ("min(a, b)", "max(a, b)"),
        ("pow(a, b)", "pow(b, a)"),
        ("a.sort()", "a"),
        ("sorted(a)", "sorted(a, key=len)"),
        ("a.split(b)", "a.split(b, 1)"),
        ("[x for x in a if x]", "[x for x in a]"),
        ("[1, 2, 3]", "[1, 3]"),
        ("a if b else 0", "0 if b else a"),
        ("a[b]", "a.get(b, 0)"),
        ("a * 1", "a * 2"),
        ("a + ''", "a + ' '"),
        ("a + str(b)", 'a + "." + str(b)'),
    ],
)
def test_what_people_get_wrong_is_among_the_edits(old: str, new: str) -> None:
    assert f"def f(a, b):\n    return {new}\n" in texts(f"def f(a, b):\n    return {old}\n")


@pytest.mark.parametrize(
    "old, new",
    [
        ("    max(a)\n", "    return max(a)\n"),
        ("    a.pop()\n    return a\n", "    return a\n"),
        ("    b = a\n    c = b\n    return c\n", "    c = b\n    b = a\n    return c\n"),
        (
            "    for x in a:\n        b = x\n        return b\n",
            "    for x in a:\n        b = x\n    return b\n",
        ),
        (
            "    if a:\n        b = 1\n    else:\n        b = 2\n    return b\n",
            "    if a:\n        b = 2\n    else:\n        b = 1\n    return b\n",
        ),
        (
            "    for x in a:\n        if x:\n            break\n",
            "    for x in a:\n        if x:\n            continue\n",
        ),
        ("    b += a\n    return b\n", "    b -= a\n    return b\n"),
        ("    raise KeyError(a)\n", "    raise ValueError(a)\n"),
    ],
)
def test_statements_are_added_removed_and_moved(old: str, new: str) -> None:
    head = "def f(a, b):\n"
    assert head + new in texts(head + old)


def test_suspicious_lines_come_first() -> None:
    text = "def f(a):\n    b = a + 1\n    return b - 1\n"
    scores = {("tool.py", 2): 0.1, ("tool.py", 3): 1.0}
    ordered = singles([source(text)], scores, (), ())
    assert ordered[0].edits[0].line == 3


def test_a_guard_returns_what_the_failing_test_expects() -> None:
    text = "def f(a, b):\n    return a / b\n"
    seen = Failure(exception="ZeroDivisionError", line=2, frames=(("tool.py", 2),))
    best = singles([source(text)], {("tool.py", 2): 1.0}, [seen], ["-1"])[:30]
    edited = [source(text).edited(attempt.edits[0].parts).decode() for attempt in best]
    assert "def f(a, b):\n    if b == 0:\n        return -1\n    return a / b\n" in edited


def test_pairs_never_touch_the_same_place() -> None:
    ones = everything("def f(a, b):\n    return a - b * 2\n")
    for pair in pairs(ones):
        spans = sorted((start, end) for edit in pair.edits for start, end, _ in edit.parts)
        assert all(left[1] <= right[0] for left, right in zip(spans, spans[1:], strict=False))


def test_windows_line_ends_stay() -> None:
    text = "def f(a):\r\n    return a\r\n"
    for edited in texts(text):
        assert edited.count("\n") == edited.count("\r\n")
