import ast
from typing import Any

import pytest

from agora.domain.repair.speedups import speedups

# What is slow, a line of what is faster, and calls on which both must agree.
SLOW: dict[str, tuple[str, str, list[tuple[Any, ...]]]] = {
    "calls itself twice": (
        "def tool(n: int, k: int) -> int:\n"
        "    return 1 if not n or not k else tool(n - 1, k) + tool(n, k - 1)\n",
        "@lru_cache(maxsize=65_536, typed=True)",
        [(4, 5), (0, 3)],
    ),
    "asks a list": (
        "def tool(words: list[str], stops: list[str]) -> list[str]:\n"
        "    return [word for word in words if word not in stops]\n",
        "    stops_set = set(stops)",
        [(["a", "b"], ["b"]), ([], [])],
    ),
    "asks a list that it fills": (
        "def tool(words: list[str]) -> list[str]:\n"
        "    found: list[str] = []\n"
        "    for word in words:\n"
        "        if word not in found:\n"
        "            found.append(word)\n"
        "    return found\n",
        "            found_set.add(word)",
        [(["a", "b", "a"],), ([],)],
    ),
    "calls the same again": (
        "def tool(values: list[int]) -> list[float]:\n"
        "    shares = []\n"
        "    for value in values:\n"
        "        shares.append(value / max(values))\n"
        "    return shares\n",
        "    max_values = cache(lambda: max(values))",
        [([1, 2],), ([7],), ([],)],
    ),
    "reads the same text again": (
        "import json\n\n\n"
        "def tool(text: str, names: list[str]) -> list[int]:\n"
        "    return [json.loads(text)[name] for name in names]\n",
        "    json_text_loads = cache(lambda: json.loads(text))",
        [('{"a": 1}', ["a"]), ("{}", []), ("{", [])],
    ),
    "makes a pattern again": (
        "import re\n\n\n"
        "def tool(lines: list[str]) -> list[str]:\n"
        "    found = []\n"
        "    for line in lines:\n"
        '        found += re.compile("[a-z]+").findall(line)\n'
        "    return found\n",
        '    re_compile = re.compile("[a-z]+")',
        [(["ab 1", "c"],)],
    ),
    "asks its own function again": (
        "def tool(values: list[int], limit: int) -> list[int]:\n"
        "    return [value for value in values if value < _bound(limit)]\n\n\n"
        "def _bound(limit: int) -> int:\n"
        "    return sum(range(limit))\n",
        "    bound_limit = cache(lambda: _bound(limit))",
        [([1, 20], 5), ([], 5)],
    ),
    "asks its own function about a list": (
        "def tool(values: list[int]) -> list[int]:\n"
        "    return [value for value in values if value > _mean(values)]\n\n\n"
        "def _mean(values: list[int]) -> float:\n"
        "    return sum(values) / len(values)\n",
        "    mean_values = cache(lambda: _mean(values))",
        [([1, 20],), ([],)],
    ),
    "sorts again": (
        "def tool(values: list[int], others: list[int]) -> list[int]:\n"
        "    return [value for value in values if value > sorted(others)[0]]\n",
        "    sorted_others = sorted(others)",
        [([1, 20], [5]), ([], [])],
    ),
    "counts again": (
        "def tool(names: list[str]) -> list[int]:\n"
        "    return [names.count(name) for name in names]\n",
        "    names_counts = Counter(names)",
        [(["a", "b", "a"],), ([],)],
    ),
    "copies what it fills": (
        "def tool(count: int) -> list[int]:\n"
        "    found = []\n"
        "    for n in range(count):\n"
        "        found = found + [n * n]\n"
        "    return found\n",
        "        found.append(n * n)",
        [(4,), (0,)],
    ),
    "takes from the front of a list": (
        "def tool(count: int) -> int:\n"
        "    waiting: list[int] = [1]\n"
        "    seen = 0\n"
        "    while waiting:\n"
        "        seen += waiting.pop(0)\n"
        "        if seen < count:\n"
        "            waiting.append(seen)\n"
        "    return seen\n",
        "    waiting: deque[int] = deque([1])",
        [(9,), (0,)],
    ),
}
# What looks alike, and would give something else.
LEFT = {
    "a list that callers may alter": (
        "def tool(n: int) -> list[int]:\n    return [n] if n < 2 else tool(n - 1) + tool(n - 2)\n"
    ),
    "arguments without a hash": (
        "def tool(v: list[int]) -> int:\n    return tool(v[1:]) + tool(v[2:]) if v else 1\n"
    ),
    "zeros of two signs": (
        "def tool(x: float) -> float:\n    return x if x < 2 else tool(x - 1) + tool(x - 2)\n"
    ),
    "a generator": (
        "def tool(n: int) -> int:\n"
        "    if n:\n        yield from tool(n - 1)\n        yield from tool(n - 2)\n"
    ),
    "what rests on a list of the module": (
        "KNOWN = [1]\n\n\n"
        "def tool(n: int) -> int:\n"
        "    return KNOWN[0] if n < 2 else tool(n - 1) + tool(n - 2)\n"
    ),
    "a list that changes in the loop": (
        "def tool(words: list[str], stops: list[str]) -> None:\n"
        "    for word in words:\n"
        "        if word in stops:\n"
        "            stops.remove(word)\n"
    ),
    "a list that somebody else may fill": (
        "def tool(words: list[str]) -> list[str]:\n"
        "    found: list[str] = []\n"
        "    for word in words:\n"
        "        if word not in found:\n"
        "            _add(found, word)\n"
        "    return found\n\n\n"
        "def _add(found: list[str], word: str) -> None:\n"
        "    found.append(word)\n"
    ),
    "a list that its own function alters": (
        "def tool(values: list[int]) -> list[int]:\n"
        "    return [value for value in values if value > _greatest(values)]\n\n\n"
        "def _greatest(values: list[int]) -> int:\n"
        "    values.sort()\n"
        "    return values[-1]\n"
    ),
    "a list that its own function hands on to be altered": (
        "def tool(values: list[int]) -> list[int]:\n"
        "    return [value for value in values if value > _greatest(values)]\n\n\n"
        "def _greatest(values: list[int]) -> int:\n"
        "    return _sorted(values)[-1]\n\n\n"
        "def _sorted(values: list[int]) -> list[int]:\n"
        "    values.sort()\n"
        "    return values\n"
    ),
    "things that are equal with different hashes": (
        "class Near:\n"
        "    def __init__(self, value: int) -> None:\n        self.value = value\n\n"
        "    def __eq__(self, other: object) -> bool:\n"
        "        return isinstance(other, Near) and abs(self.value - other.value) < 3\n\n"
        "    def __hash__(self) -> int:\n        return self.value\n\n\n"
        "def tool(values: list[int]) -> int:\n"
        "    found: list[Near] = []\n"
        "    for value in values:\n"
        "        near = Near(value)\n"
        "        if near not in found:\n"
        "            found.append(near)\n"
        "    return len(found)\n"
    ),
    "an iterator that is used up": (
        "from collections.abc import Iterator\n\n\n"
        "def tool(counts: list[int], rest: Iterator[int]) -> list[int]:\n"
        "    return [count for count in counts if count in sorted(rest)]\n"
    ),
    "a list of one's own in each turn": (
        "def tool(counts: list[int], base: list[int]) -> list[list[int]]:\n"
        "    found = []\n"
        "    for count in counts:\n"
        "        row = sorted(base)\n"
        "        row.append(count)\n"
        "        found.append(row)\n"
        "    return found\n"
    ),
    "a list that was given away before it grows": (
        "def tool(count: int) -> list[list[int]]:\n"
        "    now: list[int] = []\n"
        "    steps = []\n"
        "    for n in range(count):\n"
        "        now = now + [n]\n"
        "        steps.append(now)\n"
        "    return steps\n"
    ),
    "a queue that is also read by its place": (
        "def tool(count: int) -> int:\n"
        "    waiting = [1]\n"
        "    while waiting:\n"
        "        last = waiting[1:]\n"
        "        waiting.pop(0)\n"
        "    return len(last)\n"
    ),
    "what a condition further up decides": (
        "def tool(kind: str, values: list[int]) -> list[int]:\n"
        "    if kind:\n        return []\n"
        "    elif [one for one in values if one < max(values)]:\n        return values\n"
        "    return []\n"
    ),
    "another name's meaning": (
        "def lru_cache(n: int) -> int:\n    return n\n\n\n"
        "def tool(n: int) -> int:\n    return n if n < 2 else tool(n - 1) + tool(n - 2)\n"
    ),
    "what is asked for once": (
        "def tool(values: list[int], stops: list[int]) -> list[int]:\n"
        "    return [one for one in (stops if 3 in stops else values)]\n"
    ),
    "a pause": (
        "import time\n\n\n"
        "def tool(times: int) -> int:\n"
        "    for _ in range(times):\n        time.sleep(0.1)\n"
        "    return times\n"
    ),
}


def given(text: str, arguments: tuple[Any, ...]) -> Any:
    space: dict[str, Any] = {}
    exec(compile(text, "tool.py", "exec"), space)
    return space["tool"](*arguments)


@pytest.mark.parametrize("what", SLOW)
def test_what_is_done_again_is_done_once(what: str) -> None:
    text, line, calls = SLOW[what]
    found = speedups("tool.py", text, "tool")
    assert line in found[0].text.splitlines() and found[0].what
    for arguments in calls:
        assert given(found[0].text, arguments) == given(text, arguments)


@pytest.mark.parametrize("what", LEFT)
def test_what_would_give_something_else_is_left_alone(what: str) -> None:
    assert [one.what for one in speedups("tool.py", LEFT[what], "tool")] == []


def test_all_that_helps_is_also_done_at_once_with_its_imports_in_order() -> None:
    text = '"""Tools."""\n\nimport re\n\n\n' + SLOW["counts again"][0] + "\n\n"
    text += SLOW["takes from the front of a list"][0].replace("tool", "other")
    text = text.replace("for name in names]", "for name in names] + [other(3)]")
    *singles, both = speedups("tool.py", text, "tool")
    assert len(singles) == 2 and both.what == "; ".join(one.what for one in singles)
    assert "Counter(names)" in both.text and "popleft" in both.text
    imports = [ast.unparse(one) for one in ast.parse(both.text).body[1:4]]
    assert imports[0] == "import re" and all("collections" in one for one in imports[1:])
    assert given(both.text, (["a", "a"],)) == [2, 2, 4]


def test_a_function_at_the_head_of_a_file_keeps_its_decorator_below_the_import() -> None:
    (found,) = speedups("tool.py", SLOW["calls itself twice"][0], "tool")
    assert found.text.startswith("from functools import lru_cache\n\n\n@lru_cache(")
