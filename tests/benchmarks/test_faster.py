"""The benchmark's own run, of few tools; and whether it would see what it is to see."""

import random

import pytest

from benchmarks.faster import difference, measure, ratio, summary
from benchmarks.faster_tools import KEPT, SLOW, Piece

BY_NAME = {one.name: one for one in (*SLOW, *KEPT)}


@pytest.mark.timeout(300)
@pytest.mark.needs("bubblewrap")
async def test_slow_tools_become_faster_and_what_must_stay_stays() -> None:
    found = summary(await measure(seed=1, tools=2, kept=2))
    assert (found["faster"], found["slow"], found["kept"]) == (2, 2, 2), found
    assert (found["wrong"], found["changed"]) == (0, 0) and found["ratio_least"] > 1.5


def seen(piece: Piece, old: str, new: str) -> str:
    assert old in piece.source
    return difference(piece, piece.source.replace(old, new), random.Random(1))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("absent", "not in known", "not in set(map(str, known))"),
        ("anything", "not in known", "not in set(known)"),
        ("medians", "total = 0", "total = 0.0"),
        ("taken", "    found = 0", "    known = [*known]\n    found = 0"),
        ("shares", "    total = 0.0", "    max(values)\n    total = 0.0"),
        ("queue", "def queue", "from functools import cache\n\n\n@cache\ndef queue"),
    ],
)
def test_a_version_that_gives_or_leaves_something_else_is_seen(
    name: str, old: str, new: str
) -> None:
    assert seen(BY_NAME[name], old, new)
    assert not seen(BY_NAME[name], old, old)


@pytest.mark.parametrize("name", BY_NAME)
def test_every_tool_passes_its_own_tests(name: str) -> None:
    piece = BY_NAME[name]
    space = {piece.name: piece.given(piece.source)}
    lines = piece.tested(random.Random(2)).splitlines(keepends=True)
    exec("".join(lines[1:]), space)
    tests = [one for key, one in space.items() if key.startswith("test_")]
    assert tests
    for test in tests:
        test()


def test_what_a_version_remembers_of_one_call_makes_it_no_faster() -> None:
    piece = BY_NAME["medians"]
    text = piece.source.replace(
        "def medians", "from functools import cache\n\n\n@cache\ndef medians"
    )
    assert ratio(piece, text, random.Random(3)) < 1.5
