from textwrap import dedent

import pytest

from agora.domain.discovery import discover
from agora.domain.errors import WorkspaceError
from agora.domain.tools import Tool

CALCULATOR = '''
"""A calculator."""
import nowhere_to_be_found
from typing import Literal, Optional


def divide(a: int, b: int = 1) -> float:
    """Return a / b.

    With a remainder.
    """
    raise SystemExit("discovery must not run this")


async def mean(values: list[float], mode: Literal["plain", "robust"] = "plain",
               weights: Optional[dict[str, "float | int"]] = None) -> float:
    """Return the mean."""
'''


def tools(source: str, path: str = "calculator.py", **others: str) -> dict[str, Tool]:
    files = {path: dedent(source)} | {
        name.replace("__", "/"): text for name, text in others.items()
    }
    return {tool.name: tool for tool in discover(files)}


def wishing(toml: str) -> list[str]:
    return [tool.name for tool in discover({"calculator.py": CALCULATOR, "pyproject.toml": toml})]


def test_typed_documented_functions_are_tools_and_nothing_runs() -> None:
    divide = tools(CALCULATOR)["calculator.divide"]
    assert (divide.path, divide.function, divide.line) == ("calculator.py", "divide", 7)
    assert divide.description == "Return a / b.\n\nWith a remainder."
    assert divide.parameters == {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer", "default": 1}},
        "required": ["a"],
        "additionalProperties": False,
    }
    assert divide.returns == {"type": "number"}


def test_every_json_type_becomes_a_schema() -> None:
    assert tools(CALCULATOR)["calculator.mean"].parameters["properties"] == {
        "values": {"type": "array", "items": {"type": "number"}},
        "mode": {"enum": ["plain", "robust"], "default": "plain"},
        "weights": {
            "anyOf": [
                {
                    "type": "object",
                    "additionalProperties": {"anyOf": [{"type": "number"}, {"type": "integer"}]},
                },
                {"type": "null"},
            ],
            "default": None,
        },
    }


@pytest.mark.parametrize(
    "source",
    [
        'def f(a, b: int) -> int:\n    """Untyped."""',
        "def f(a: int) -> int:\n    return a",
        'def _f(a: int) -> int:\n    """Private."""',
        'def f(a: Path) -> int:\n    """No JSON."""',
        'def f(a: dict[int, str]) -> int:\n    """No JSON."""',
        'def f(a: int) -> Iterator[int]:\n    """No JSON."""',
        'def f(*a: int) -> int:\n    """Any number."""',
        'def f(a: int, /) -> int:\n    """By place only."""',
        'def main() -> None:\n    """A script."""',
        '@pytest.fixture\ndef f(a: int) -> int:\n    """A fixture."""',
        'class A:\n    def f(self, a: int) -> int:\n        """A method."""',
        "def f(a: int) -> int:\n",
        'def f(a: "int[") -> int:\n    """Odd."""',
    ],
)
def test_what_cannot_be_called_with_json_is_no_tool(source: str) -> None:
    assert tools(source) == {}


@pytest.mark.parametrize(
    "path", ["tests/calc.py", "test_calc.py", "calc_test.py", "_calc.py", ".venv/calc.py"]
)
def test_tests_and_private_files_hold_no_tools(path: str) -> None:
    assert tools(CALCULATOR, path) == {}


@pytest.mark.parametrize(
    ("path", "name"),
    [("src/pkg/calc.py", "pkg.calc.divide"), ("pkg/__init__.py", "pkg.divide")],
)
def test_a_tool_is_named_as_python_imports_it(path: str, name: str) -> None:
    assert name in tools(CALCULATOR, path)


def test_langchain_tools_are_found_like_others() -> None:
    source = '''
    from langchain_core.tools import tool

    @tool("shout", return_direct=True)
    def shout(text: str) -> str:
        """Return the text in capitals."""
    '''
    assert list(tools(source)) == ["calculator.shout"]


def test_what_can_reach_the_network_can_send() -> None:
    source = 'import urllib.request\ndef get(url: str) -> str:\n    """Get a page."""'
    assert tools(source)["calculator.get"].tags == ("network", "sends")
    assert tools(source.replace(".request", ".parse"))["calculator.get"].tags == ("pure",)


def test_bad_style_in_a_file_is_not_our_business() -> None:
    found = tools('x = "\\d"\ndef f(a: int) -> int:\n    """Return a."""')
    assert list(found) == ["calculator.f"]


def test_a_file_that_does_not_parse_hides_no_other() -> None:
    found = tools(CALCULATOR, broken__py="def f(:")
    assert set(tools(CALCULATOR)) == set(found) == {"calculator.divide", "calculator.mean"}


def test_the_workspace_chooses_and_tags_its_tools() -> None:
    assert wishing('[tool.agora]\ntools = ["calculator:divide"]') == ["calculator.divide"]
    assert wishing('[tool.agora]\nexclude = ["calculator:d*"]') == ["calculator.mean"]
    assert wishing('[tool.agora]\nexclude = ["calculator"]') == []
    assert wishing("[tool.other]\nx = 1") == ["calculator.divide", "calculator.mean"]
    toml = '[tool.agora.tags]\n"calculator:divide" = ["pure", "private"]'
    tagged = discover({"calculator.py": CALCULATOR, "pyproject.toml": toml})
    assert [tool.tags for tool in tagged] == [("private", "pure"), ("pure",)]


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[tool.agora]\ntoolz = []", "no key 'toolz'"),
        ('[tool.agora]\ntools = "calculator"', "tools must be like"),
        ('[tool.agora]\ntags = ["pure"]', "tags must be like"),
        ('[tool.agora]\ntools = ["calculator:nope"]', "'calculator:nope'.*no such tool"),
        ('[tool.agora.tags]\n"calculator:divide" = ["nice"]', "unknown: nice"),
        ("[tool.agora", "not TOML"),
    ],
)
def test_a_wish_that_cannot_be_followed_is_told(toml: str, says: str) -> None:
    with pytest.raises(WorkspaceError, match=says):
        wishing(toml)


def test_a_chosen_tool_whose_file_is_broken_is_no_wrong_wish() -> None:
    files = {
        "calculator.py": "def divide(",
        "pyproject.toml": '[tool.agora]\ntools=["calculator:divide"]',
    }
    assert discover(files) == []


def test_what_a_function_does_is_read_from_its_source() -> None:
    told = tools(
        "import json\nimport requests\nSEEN = []\n"
        'def total(a: int) -> int:\n    """Pure."""\n    return _twice(a)\n'
        "def _twice(a):\n    return json.loads(str(a * 2))\n"
        'def keep(a: str) -> str:\n    """Writes."""\n    return _store(a)\n'
        "def _store(a):\n    open('x', 'w').write(a)\n    return a\n"
    )
    sends = ("network", "sends")  # the file imports requests
    assert told["calculator.total"].tags == sends
    assert told["calculator.keep"].tags == ("network", "reads", "sends", "writes")
    assert told["calculator.total"].needs == ("package:requests",)


@pytest.mark.parametrize(
    ("body", "tags"),
    [
        ("return a + 1", ("pure",)),
        ("import math\n    return math.floor(a)", ("pure",)),
        ("import random\n    return random.randint(0, a)", ()),
        ("import time\n    return round(time.time())", ()),
        ("global f\n    return 1", ()),
        ("import datetime\n    return datetime.datetime.now().day", ()),
        ("import os\n    return len(os.environ)", ("reads",)),
        ("from elsewhere import one\n    return one(a)", ()),
        ("import subprocess\n    return subprocess.call(['x'])", ("reads", "writes")),
    ],
)
def test_only_what_is_seen_to_compute_is_pure(body: str, tags: tuple[str, ...]) -> None:
    source = f'def f(a: int) -> int:\n    """Do."""\n    {body}\n'
    assert tools(source)["calculator.f"].tags == tags


KEEPS = """import heapq
import itertools
import re
from bisect import bisect

NOTES: list[int] = []
TABLE = {1: [2]}
WORDS = re.compile("a+")
TURNS = itertools.count()


class Log:
    notes: list[int] = []


def _of(table, a):
    return table[a] if a in table else _around(table, a)


def _around(table, a):
    return 0 if a > 9 else _of(table, a + 1)


def _into(notes, a):
    notes.append(a)


"""


@pytest.mark.parametrize(
    ("body", "is_pure"),
    [
        ("return len(NOTES) + a", True),
        ("return TABLE[a][0]", True),
        ("return sum(sorted(TABLE.get(a, ())))", True),
        ("return len(WORDS.findall('aa') or re.sub(WORDS, '', 'a'))", True),
        ("return _of(TABLE, a)", True),
        ("return bisect([1], a) if a in NOTES else max(NOTES, default=0)", True),
        ("notes = [*NOTES]\n    notes.append(a)\n    return a", True),
        ("NOTES = []\n    NOTES.append(a)\n    return a", True),
        ("return next(itertools.chain.from_iterable([[a]]))", True),
        ("NOTES.append(a)\n    return a", False),
        ("TABLE[a] = [a]\n    return a", False),
        ("TABLE[1].append(a)\n    return a", False),
        ("del TABLE[1]\n    return a", False),
        ("NOTES[0] += a\n    return a", False),
        ("notes = NOTES\n    notes.append(a)\n    return a", False),
        ("_into(NOTES, a)\n    return a", False),
        ("heapq.heappush(NOTES, a)\n    return a", False),
        ("return next(TURNS)", False),
        ("f.calls = a\n    return a", False),
        ("Log.notes.append(a)\n    return a", False),
    ],
)
def test_what_leaves_something_in_its_module_is_not_pure(body: str, is_pure: bool) -> None:
    source = f'{KEEPS}def f(a: int) -> int:\n    """Do."""\n    {body}\n'
    assert tools(source)["calculator.f"].tags == (("pure",) if is_pure else ())


def test_a_default_that_all_calls_share_is_not_pure_where_it_is_altered() -> None:
    source = (
        'def f(a: int, known: list[int] = []) -> int:\n    """Do."""\n    {}return len(known)\n'
    )
    assert tools(source.format(""))["calculator.f"].tags == ("pure",)
    assert tools(source.format("known.append(a)\n    "))["calculator.f"].tags == ()


def test_langchains_tools_are_tools_with_a_capability_and_needs() -> None:
    source = (
        "from langchain_core.tools import tool\n\n"
        "@tool\ndef convert(usd: float) -> float:\n"
        '    """Convert USD into EUR."""\n    return usd * 0.9\n\n'
        '@tool(description="Count words.")\ndef words(text: str) -> int:\n'
        "    return len(text.split())\n"
    )
    toml = (
        '[tool.agora.capabilities]\n"calculator:convert" = "currency conversion"\n'
        '[tool.agora.needs]\n"calculator:*" = ["program:bc"]\n'
    )
    files = {"calculator.py": source, "pyproject.toml": toml}
    found = {one.function: one for one in discover(files)}
    assert {one.kind for one in found.values()} == {"langchain"}
    assert found["convert"].capability == "currency conversion"
    assert found["words"].capability == "words" and found["words"].description == "Count words."
    assert found["convert"].needs == ("package:langchain_core", "program:bc")
