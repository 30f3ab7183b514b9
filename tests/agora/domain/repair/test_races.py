from collections.abc import Callable
from typing import Any

import pytest

from agora.domain.contracts import Json, Replay
from agora.domain.discovery import discover
from agora.domain.repair import races
from agora.domain.repair.inputs import inputs
from agora.domain.repair.races import Entry, Race, race, sift, timed
from agora.domain.repair.sandbox import Sandbox
from agora.domain.signatures import fits
from tests.agora.domain.repair.conftest import MakeTree, command

pytestmark = pytest.mark.needs("bubblewrap")
OLD = '''def tool(values: list[int], times: int) -> list[int]:
    """Return every value that is the greatest so far."""
    found = []
    for _ in range(times):
        found = [one for one in values if one >= max(values)]
    return found
'''
HOISTED = OLD.replace("    for _", "    most = max(values)\n    for _")
CALL: Json = {"values": list(range(300)), "times": 30}
Run = Callable[..., Race]


@pytest.fixture
def run(sandbox: Sandbox, tree: MakeTree) -> Run:
    """Race a version against the old one, on calls that the old one is recorded with."""

    def run(new: str, old: str = OLD, *calls: Json) -> Race:
        place = tree(old, "")
        (tool,) = discover({"tool.py": old})
        space: dict[str, Any] = {}
        exec(old, space)
        replays = [
            Replay(
                tool=tool.name,
                path="tool.py",
                arguments=one,
                result=space["tool"](**one),
                latency_s=0.1,
            )
            for one in calls or (CALL,)
        ]
        entry = Entry(tool, replays, limit_s=5.0)
        return race(sandbox, place, command(place), entry, {"tool.py": new}, timeout_s=60)

    return run


def test_what_gives_the_same_sooner_wins_and_says_by_how_much_on_which_calls(run: Run) -> None:
    won = run(
        OLD.replace("one >= max(values)]", "one >= most]").replace(
            "    for _", "    most = max(values) if values and times else 0\n    for _"
        )
    )
    assert won.verdict.verdict == "accept" and won.ratio > 1.5 and len(won.pairs) == 9
    assert won.replays == 1 and won.generated > 30
    assert f"{won.ratio:.1f} times as fast" in won.told[0]
    assert won.told[1].startswith("  tool(values=[0, 1, 2") and "before: 0." in won.told[1]


def test_what_is_as_fast_as_before_has_not_won(run: Run) -> None:
    lost = run(OLD.replace("found = []", "found = list()"))
    assert (lost.verdict.verdict, lost.verdict.rule) == ("refuse", "not_faster")


def test_what_is_remembered_of_an_earlier_call_makes_no_call_faster(run: Run) -> None:
    kept = (
        "KNOWN = {}\n\n\n"
        + OLD.replace("def tool(", "def _tool(")
        + (
            "\n\ndef tool(values: list[int], times: int) -> list[int]:\n"
            "    key = (*values, times)\n"
            "    if key not in KNOWN:\n"
            "        KNOWN[key] = _tool(values, times)\n"
            "    return list(KNOWN[key])\n"
        )
    )
    assert run(kept).verdict.rule == "not_faster"


# How a faster version betrays itself: the old one, the new one, a recorded call, the rule.
SAME = "def tool(n: int) -> list[int]:\n    '''Count.'''\n    return [k for k in range(n)]\n"
DEEP = (
    "def tool(n: int) -> int:\n    '''Count down.'''\n"
    "    if n == 0:\n        return 0\n"
    "    return tool(n - 1) if n % 2 else tool(n - 1) + 1\n"
)
CACHED = "from functools import lru_cache\n\n\n@lru_cache\n"
TOTAL = "def tool(values: list[int]) -> int:\n    '''Add.'''\n    return sum(values)\n"
BETRAYED: dict[str, tuple[str, str, Json, str]] = {
    "gives one list to everybody": (SAME, CACHED + SAME, {"n": 3}, "behaviour"),
    "cannot take a list any more": (TOTAL, CACHED + TOTAL, {"values": [1]}, "replay"),
    "raises where nothing was raised": (OLD, HOISTED, {"values": [1, 2], "times": 2}, "behaviour"),
    "reorders what it was given": (
        TOTAL,
        TOTAL.replace("return", "values.sort()\n    return"),
        {"values": [2, 1]},
        "replay",
    ),
    "raises another exception": (
        TOTAL.replace("sum(values)", "values[0]"),
        TOTAL.replace("sum(values)", "{0: v for v in reversed(values)}[0]"),
        {"values": [2, 1]},
        "behaviour",
    ),
    "gives another kind of number": (
        TOTAL,
        TOTAL.replace("sum(values)", "float(sum(values))"),
        {"values": [2, 1]},
        "replay",
    ),
    "yields instead of returning": (
        SAME,
        SAME.replace("[k for k in range(n)]", "(k for k in range(n))"),
        {"n": 3},
        "replay",
    ),
    "runs out of stack earlier": (DEEP, CACHED + DEEP, {"n": 300}, "behaviour"),
    "takes no lists of lists any more": (
        'def tool(values: list) -> bool:\n    """Look."""\n    return values[:1] in [[1], [2]]\n',
        'def tool(values: list) -> bool:\n    """Look."""\n'
        "    return bool(set(values)) and values[:1] in [[1], [2]]\n",
        {"values": [1, 2]},
        "behaviour",
    ),
    "never ends": (
        SAME,
        SAME.replace("return", "while n == 0:\n        pass\n    return"),
        {"n": 3},
        "behaviour",
    ),
    "ends the process": (
        SAME,
        "import os\n" + SAME.replace("return", "os._exit(0)\n    return"),
        {"n": 3},
        "replay",
    ),
    "is no module any more": (SAME, "def tool(:\n", {"n": 3}, "replay"),
}


@pytest.mark.parametrize("how", BETRAYED)
def test_a_version_that_is_not_equal_is_refused(run: Run, how: str) -> None:
    old, new, call, rule = BETRAYED[how]
    lost = run(new, old, call)
    assert (lost.verdict.verdict, lost.verdict.rule) == ("refuse", rule), lost.verdict.reason
    assert "gives" in lost.verdict.reason and not lost.pairs


def test_the_clock_is_believed_where_nearly_all_pairs_agree_and_the_gain_is_large() -> None:
    halved, slowed = (2.0, 1.0), (1.0, 1.1)
    assert timed((halved,) * 9).verdict == timed((*(halved,) * 8, slowed)).verdict == "accept"
    assert timed((*(halved,) * 7, *(slowed,) * 2)).rule == "not_faster", "it may be luck"
    assert timed(((1.4, 1.0),) * 9).rule == "not_faster", "nobody notices"
    assert "only 4 pairs" in timed((halved,) * 4).reason and timed((halved,) * 5).rule == ""


def test_a_version_that_makes_some_calls_slower_is_refused(run: Run) -> None:
    slower = OLD.replace("found = []", "found = []\n    if times == 1:\n        sum(range(10**7))")
    lost = run(slower, OLD, CALL, {"values": [1], "times": 1})
    assert (lost.verdict.verdict, lost.verdict.rule) == ("refuse", "slower")


def test_a_call_that_was_held_up_once_has_not_become_slower(run: Run) -> None:
    once = "    seen = pathlib.Path(tempfile.gettempdir(), 'seen')\n    if not seen.exists():\n"
    once += "        seen.touch()\n        time.sleep(0.5)\n"
    held_up = "import pathlib\nimport tempfile\nimport time\n\n\n" + OLD.replace(
        "    found = []", f"{once}    found = []"
    )
    assert run(held_up).verdict.rule == "not_faster"


def test_what_gives_no_recorded_result_any_more_is_not_compared(run: Run) -> None:
    counting = "COUNT = [0]\n\n\n" + TOTAL.replace("return sum(values)", "return id(values)")
    lost = run(counting, counting, {"values": [1]})
    assert lost.verdict.rule == "replay" and "no recorded result" in lost.verdict.reason


def test_of_several_versions_those_that_are_equal_and_faster_run_the_race(
    sandbox: Sandbox, tree: MakeTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(races, "LEAST_S", 1.0)  # on a busy machine
    place, (tool,) = tree(OLD, ""), discover({"tool.py": OLD})
    replay = Replay(tool=tool.name, path="tool.py", arguments=CALL, result=[299], latency_s=0.1)
    most = HOISTED.replace("max(values)]", "most]")
    once = most.replace("in range(times)", "in range(1)")
    wrong = once.replace(">=", ">")
    slower = OLD.replace("in range(times)", "in range(20 * times)")
    files = [{"tool.py": text} for text in (slower, most, wrong, once)]
    entry = Entry(tool, [replay], limit_s=5.0)
    order = sift(sandbox, place, command(place), entry, files, timeout_s=30)
    assert order == [1, 3], "the other one is so little faster that the smaller change comes first"


def test_inputs_are_like_the_recorded_ones_smaller_empty_and_greater() -> None:
    replays = [Replay(tool="t.t", path="t.py", arguments=CALL, result=None, latency_s=1)]
    schema = parameters_of(OLD)
    made = inputs(replays, schema, seed=1, most=100)
    assert made == inputs(replays, schema, seed=1, most=100) and len(made) == len(
        {str(m) for m in made}
    )
    assert {"values": [], "times": 0} in made and {"values": [], "times": 6} in made
    assert CALL | {"times": 60} in made and len(made) > 40
    assert inputs([replays[0].but(arguments={})], schema, seed=1, most=100) == []


def parameters_of(text: str) -> Json:
    return discover({"tool.py": text})[0].parameters


@pytest.mark.parametrize(
    ("hint", "recorded", "others"),
    [
        ("list[int]", [7], []),
        ("list", ["a"], [[[], "a"], [{}, "a"], [None, "a"], [True, "a"]]),
        ("list[str | None]", ["a"], [[None, "a"]]),
        ("list[list[float]]", [[7]], [[[1.0, 7], [7]]]),
        ("dict", {"a": "b"}, [{"a": []}]),
        ("dict[str, int | str]", {"a": "b"}, [{"a": 1}]),
        ("str | None", "a", [None]),
        ("float", 7, [1.0]),
    ],
)
def test_inputs_are_of_every_kind_that_the_hints_admit_and_of_no_other(
    hint: str, recorded: Any, others: list[Any]
) -> None:
    schema = parameters_of(f'def tool(v: {hint}) -> int:\n    """Do."""\n    return 1\n')
    replay = Replay(tool="t.t", path="t.py", arguments={"v": recorded}, result=None, latency_s=1)
    made = inputs([replay], schema, seed=1, most=100)
    assert all(repr({"v": one}) in [repr(call) for call in made] for one in others)
    assert all(fits(call["v"], schema["properties"]["v"]) for call in made)
