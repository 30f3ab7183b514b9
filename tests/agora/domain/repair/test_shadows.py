from pathlib import Path

import pytest

from agora.domain.contracts import Replay
from agora.domain.repair.sandbox import Sandbox
from agora.domain.repair.shadows import Shadow, compare
from agora.domain.repair.trials import run_tests
from tests.agora.domain.repair.conftest import MakeTree, command

pytestmark = pytest.mark.needs("bubblewrap")
TOOL = "def fee(total):\n    if total > 50:\n        return 0\n    return 5\n"
TESTS = """from tool import fee


def test_small():
    assert fee(17) == 5


def test_limit():
    assert fee(50) == 0
"""


def diff(new: str) -> str:
    return (
        "--- a/tool.py\n+++ b/tool.py\n@@ -1,3 +1,3 @@\n def fee(total):\n-    if total > 50:\n"
        f"+    if {new}:\n         return 0\n"
    )


def replay(total: int, result: int) -> Replay:
    place = {"tool": "tool.fee", "path": "tool.py", "latency_s": 0.1}
    return Replay.model_validate(place | {"arguments": {"total": total}, "result": result})


def shadows(sandbox: Sandbox, place: Path, *tests: str, replays: list[Replay]) -> list[Shadow]:
    before = run_tests(sandbox, place, command(place), timeout_s=60)
    diffs = [diff(test) for test in tests]
    return compare(sandbox, place, command(place), before, diffs, replays, timeout_s=60)


def test_a_recorded_good_call_shows_which_variant_breaks_it(
    sandbox: Sandbox, tree: MakeTree
) -> None:
    place = tree(TOOL, TESTS)
    known = [replay(49, 5), replay(51, 0), replay(51, 7)]
    right, wrong = shadows(sandbox, place, "total >= 50", "total > 40", replays=known)
    assert right.replays == wrong.replays == 2, "what the old version does not give is no evidence"
    assert not right.broken and [one["call"] for one in wrong.broken] == ["fee(total=49)"]
    assert wrong.broken[0] == {"call": "fee(total=49)", "before": "5", "after": "0"}


def test_a_person_is_shown_inputs_on_which_the_tool_now_answers_otherwise(
    sandbox: Sandbox, tree: MakeTree
) -> None:
    place = tree(TOOL, TESTS)
    (one,) = shadows(sandbox, place, "total >= 50", replays=[])
    assert one.generated > 10 and 0 < one.differing < one.generated
    assert {"call": "fee(50)", "before": "5", "after": "0"} in one.differences
    assert any("fee(50): 0, before: 5" in line for line in one.told)


def test_a_diff_that_adds_a_file_is_not_compared(sandbox: Sandbox, tree: MakeTree) -> None:
    place = tree(TOOL, TESTS)
    before = run_tests(sandbox, place, command(place), timeout_s=60)
    added = "--- /dev/null\n+++ b/other.py\n@@ -0,0 +1 @@\n+A = 1\n"
    assert compare(sandbox, place, command(place), before, [added], [], timeout_s=60) == []
