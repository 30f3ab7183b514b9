import pytest

from agora.domain.repair.inquiry import inquire
from agora.domain.repair.sandbox import Sandbox
from agora.domain.repair.trials import run_tests
from tests.agora.domain.repair.conftest import MakeTree, command
from tests.conftest import commit, sh

pytestmark = pytest.mark.needs("bubblewrap")
TOOL = """def longest(words, most):
    best = words[0]
    for word in words:
        if len(word) > len(best):
            best = word
    return best[most]
"""
TESTS = """from tool import longest


def test_short():
    assert longest(["a", "bb"], 0) == "b"


def test_long():
    assert longest(["one", "three", "seven", "two"], 9) == "t"
"""


def test_a_report_names_line_smallest_input_and_history(sandbox: Sandbox, tree: MakeTree) -> None:
    place = tree(TOOL, TESTS)
    sh(place, "git", "init", "-q", "-b", "main")
    commit(place, "write the tool")
    before = run_tests(sandbox, place, command(place), timeout_s=60)
    found = inquire(sandbox, place, command(place), before, timeout_s=60)
    assert found.suspects[0].startswith("tool.py:6: return best[most]")
    assert found.reduced == ("longest([''], 0) raises IndexError",)
    assert found.history[0].endswith("a: write the tool")
    assert found.improvable == "Improvable: the failing tests execute 1 of its files."
    assert "Smallest inputs that fail so:\n  longest" in found.report


def test_tests_that_reach_no_source_leave_nothing_to_improve(
    sandbox: Sandbox, tree: MakeTree
) -> None:
    place = tree(TOOL, "def test_it():\n    assert 1 == 2\n")
    before = run_tests(sandbox, place, command(place), timeout_s=60)
    found = inquire(sandbox, place, command(place), before, timeout_s=60)
    assert found.improvable.startswith("Not improvable") and not found.suspects
