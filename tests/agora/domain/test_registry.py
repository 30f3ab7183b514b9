import ast
from pathlib import Path

import pytest

from agora.domain.registry import (
    deletion,
    difference,
    function_text,
    restoration,
    value,
)
from tests.conftest import repository, sh

SOURCE = '''"""Prices."""

import math


def total(price: float, count: int) -> float:
    """Return what pieces cost."""
    return price * count


@math.once
def rounded(price: float) -> int:
    """Round."""
    return math.floor(price)


def last(a: int) -> int:
    """Last."""
    return a
'''


def test_what_is_new_altered_and_gone_is_told() -> None:
    told = difference({"a": "1", "b": "2", "c": "3"}, {"b": "2", "c": "4", "d": "5"})
    assert (told.added, told.changed, told.gone, told.same) == (("d",), ("c",), ("a",), 1)


@pytest.mark.parametrize(
    ("good", "alternatives", "patterns", "worth"),
    [
        ({}, [], {}, 0),
        ({"operator": 10}, [], {}, 10),
        ({"operator": 10}, ["b.convert"], {}, 0),
        ({"engineer": 6, "risk": 2}, ["b.convert"], {"engineer": ["a.*"], "risk": ["b.*"]}, 4),
        ({"engineer": 6, "risk": 2}, [], {"engineer": ["*"], "risk": ["*"]}, 8),
    ],
)
def test_a_tool_is_worth_its_good_calls_by_those_who_have_no_other(
    good: dict[str, int], alternatives: list[str], patterns: dict[str, list[str]], worth: float
) -> None:
    assert value(good, alternatives, patterns) == worth


@pytest.mark.parametrize("name", ["total", "rounded", "last"])
def test_a_function_is_taken_out_of_its_file_and_brought_back(tmp_path: Path, name: str) -> None:
    root = repository(tmp_path / "w", {"src/prices.py": SOURCE})
    (tmp_path / "out").write_text(deletion("src/prices.py", SOURCE, name))
    sh(root, "git", "apply", str(tmp_path / "out"))
    left = (root / "src/prices.py").read_text()
    kept = {"total", "rounded", "last"} - {name}
    assert {one.name for one in ast.parse(left).body if isinstance(one, ast.FunctionDef)} == kept
    assert "math.once" in left or name == "rounded"
    (tmp_path / "back").write_text(restoration("src/prices.py", SOURCE, left, name))
    sh(root, "git", "apply", str(tmp_path / "back"))
    again = (root / "src/prices.py").read_text()
    assert function_text(again, name).rstrip() == function_text(SOURCE, name).rstrip()


def test_a_file_that_is_gone_comes_back_whole(tmp_path: Path) -> None:
    root = repository(tmp_path / "w", {"other.txt": "x\n"})
    (tmp_path / "back").write_text(restoration("src/prices.py", SOURCE, None, "total"))
    sh(root, "git", "apply", str(tmp_path / "back"))
    assert (root / "src/prices.py").read_text() == SOURCE
