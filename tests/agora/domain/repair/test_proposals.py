from pathlib import Path

import pytest

from agora.domain.repair.diffs import contents, diff_of
from agora.domain.repair.proposals import Rewrite, author, gist, proposed, understood
from tests.agora.domain.repair.conftest import MakeTree

TOOL = '''import functools


class Till:
    """Money."""

    @functools.cache
    def total(self, count):
        return count + 1


def twice(count):
    return count


LAST = 1
'''
DIFF = """--- a/tool.py
+++ b/tool.py
@@ -12,2 +12,2 @@
 def twice(count):
-    return count
+    return 2 * count
"""


@pytest.fixture
def place(tree: MakeTree) -> Path:
    return tree(TOOL, "from tool import twice\n")


def result(place: Path, rewrite: Rewrite) -> str:
    found = understood(place, "engineer@m", rewrite)
    assert found is not None
    (attempt,) = proposed(place, [found])
    assert author(attempt) == "engineer@m"
    return contents(place, attempt.edits)["tool.py"].decode()


def test_a_function_is_replaced_and_everything_around_it_stays(place: Path) -> None:
    code = "def twice(count):\n    return 2 * count\n"
    new = result(place, Rewrite(path="tool.py", function="twice", code=code))
    assert new == TOOL.replace("    return count\n\n\nLAST", "    return 2 * count\n\n\nLAST")


def test_a_method_keeps_its_indentation_and_its_decorators(place: Path) -> None:
    code = "def total(self, count):\n    return count\n"
    new = result(place, Rewrite(path="tool.py", function="Till.total", code=code))
    assert new == TOOL.replace("count + 1", "count")


def test_a_diff_gives_the_same_as_the_function_that_it_changes(place: Path) -> None:
    code = "def twice(count):\n    return 2 * count\n"
    whole = result(place, Rewrite(path="tool.py", function="twice", code=code))
    assert result(place, Rewrite(diff=DIFF)) == whole


@pytest.mark.parametrize(
    "fields",
    [
        {"path": "test_tool.py", "function": "twice", "code": "def twice(c): return 1"},
        {"path": "../tool.py", "function": "twice", "code": "def twice(c): return 1"},
        {"path": "tool.py", "function": "thrice", "code": "def thrice(c): return 1"},
        {"path": "tool.py", "function": "twice", "code": "def twice(count):\n    return count\n"},
        {"path": "tool.py", "function": "twice", "code": "def twice(c:"},
        {"diff": "no diff at all"},
        {"diff": DIFF.replace("return count\n", "return other\n")},
    ],
)
def test_what_names_nothing_of_the_tool_is_no_proposal(place: Path, fields: dict[str, str]) -> None:
    assert understood(place, "engineer@m", Rewrite(**fields)) is None


def test_the_gist_of_a_diff_is_the_same_wherever_it_stands(place: Path) -> None:
    code = "def twice(count):\n    return 2 * count\n"
    found = understood(place, "engineer@m", Rewrite(path="tool.py", function="twice", code=code))
    assert found is not None
    (attempt,) = proposed(place, [found])
    assert gist(diff_of(place, attempt.edits)) == gist(
        DIFF.replace("@@ -12,2 +12,2", "@@ -1,2 +1,2")
    )
