"""A slow tool becomes a faster one that gives the same, once a person has said yes."""

import json
from pathlib import Path
from typing import Any

import pytest

from agora.domain.contracts import Json
from agora.team import Team
from tests.conftest import commit
from tests.improving import APPROVE, Workshop, workshop
from tests.running import Hire

pytestmark = pytest.mark.needs("bubblewrap")
SLOW = '''"""Grids."""


def paths(rows: int, columns: int) -> int:
    """Count the ways through a grid."""
    if not rows or not columns:
        return 1
    return paths(rows - 1, columns) + paths(rows, columns - 1)
'''
TESTS = """from grids import paths


def test_a_small_grid():
    assert paths(2, 3) == 10 and paths(0, 4) == 1
"""
BODY = SLOW.partition('grid."""\n')[2].rstrip("\n")
SLOW_DIFF = """--- a/grids.py
+++ b/grids.py
@@ -5,3 +5,5 @@
     \"\"\"Count the ways through a grid.\"\"\"
+NEW
     if not rows or not columns:
         return 1
"""
FILES = {"grids.py": SLOW, "test_grids.py": TESTS}
CALL: Json = {"rows": 11, "columns": 10}
WAYS = 352716


async def used(
    team: Team, shop: Workshop, call: Json, result: Any, *, seconds: float = 3.0, times: int = 10
) -> None:
    name = next(one for one in shop.root.glob("*.py") if not one.name.startswith("test_")).stem
    place: Json = {"workspace": str(shop.root), "path": f"{name}.py"}
    place |= {"tool": f"{name}.{'paths' if name == 'grids' else name}", "arguments": call}
    place |= {"latency_s": seconds}
    for _ in range(times):
        good = place | {"result": result}
        told = place | {"is_right": True, "error": None, "line": None}
        await team.watching.judge(told, "use", good=good)


async def test_a_slow_tool_is_made_faster_by_an_approved_change_that_is_watched(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = workshop(team, saver, tmp_path, FILES)
    await used(team, shop, CALL, WAYS)
    state = await shop.begin(kinds=("slow_tool",))
    assert shop.is_untouched
    (action,) = (await shop.asked())["action_requests"]
    assert action["args"]["title"] == "Speed up paths: remember the results of paths"
    assert "3 s in the median of 10 calls: sound but slow" in action["description"]
    assert "times as fast" in action["description"] and "rows=11" in action["description"]
    assert (await shop.say(APPROVE))["status"] == "fixed"
    assert "@lru_cache(maxsize=65_536, typed=True)\ndef paths" in shop.read("grids.py")
    row = await team.changing.find(state["change_id"])
    assert row["evidence"]["trial"]["ratio"] > 1.5 and row["evidence"]["tests"]["passing_after"]

    (watch,) = (await team.watching.records())["watches"].values()
    assert watch["speed"]["latency_s"] == 3
    await used(team, shop, CALL, WAYS, seconds=3.1)
    await team.watching.detect(str(shop.root))
    assert (await shop.begin("two", kinds=("alarm",)))["status"] == "reverted"
    assert shop.read("grids.py") == SLOW


async def test_what_a_person_has_rejected_is_not_proposed_again(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = workshop(team, saver, tmp_path, FILES)
    await used(team, shop, CALL, WAYS)
    await shop.begin(kinds=("slow_tool",))
    await shop.say({"type": "reject", "message": "it will be looked up in a table"})
    (row,) = (await team.watching.records())["tools"].values()
    assert row["executions"] == 10
    (shop.root / "test_grids.py").write_text(TESTS + "\n")
    commit(shop.root, "look again")
    state = await shop.begin("two", kinds=("slow_tool",))
    assert (state["status"], state["tried"]) == ("not_found", 0) and shop.read("grids.py") == SLOW


async def test_a_diff_that_a_person_writes_instead_runs_the_same_race(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = workshop(team, saver, tmp_path, FILES)
    await used(team, shop, CALL, WAYS)
    await shop.begin(kinds=("slow_tool",))
    diff = SLOW_DIFF.replace("NEW", "    if columns == rows == -1:\n+        return 1")
    state = await shop.say({"type": "edit", "diff": diff})
    assert state["status"] == "refused" and "not_faster" in state["message"]
    assert shop.is_untouched


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            SLOW.replace('"""Grids."""', "import time").replace(
                "    if", "    time.sleep(0)\n    if"
            ),
            "it may do more than compute",
        ),
        (SLOW.replace("def paths", "def ways"), "there is no such tool any more"),
        (
            SLOW.replace(BODY, "    return sum(n % 7 for n in range(rows * 10**5))"),
            "no rewrite that is known",
        ),
    ],
)
async def test_what_cannot_be_made_faster_is_told_with_the_reason(
    team: Team, saver: Any, tmp_path: Path, text: str, said: str
) -> None:
    tests = "def test(): pass\n"
    shop = workshop(team, saver, tmp_path, {"grids.py": text, "test_grids.py": tests})
    await used(team, shop, CALL, WAYS)
    state = await shop.begin(kinds=("slow_tool",))
    assert state["status"] == "not_found" and said in state["message"]
    assert shop.is_untouched and shop.passed.count("improving") == 1


async def test_a_winner_that_the_gate_refuses_is_told_with_its_reason(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    failing = TESTS.replace("paths(2, 3) == 10", "paths(2, 3) == 11")
    shop = workshop(team, saver, tmp_path, FILES | {"test_grids.py": failing})
    await used(team, shop, CALL, WAYS)
    state = await shop.begin(kinds=("slow_tool",))
    assert state["status"] == "not_found" and shop.is_untouched
    assert "the gate refuses the best: tests: test_grids.py::test_a_small_grid" in state["message"]


async def test_a_version_of_an_expert_runs_beside_the_others_and_one_that_differs_loses(
    hire: Hire, saver: Any, tmp_path: Path
) -> None:
    slow = SLOW.replace(BODY, "    return sum(1 for n in range(rows * 10**4) for _ in range(2))")
    good, bad = (SLOW.replace(BODY, f"    return rows * {n}") for n in ("20_000", "2"))
    proposals = [
        {
            "why": "count at once",
            "path": "grids.py",
            "function": "paths",
            "code": one.split("\n\n\n")[1],
        }
        for one in (bad, good)
    ]
    staff = hire(lambda messages: json.dumps({"proposals": proposals}))
    tests = "from grids import paths\n\n\ndef test_none():\n    assert paths(0, 1) == 0\n"
    shop = workshop(staff.team, saver, tmp_path, {"grids.py": slow, "test_grids.py": tests})
    await used(staff.team, shop, CALL, 220_000)
    state = await shop.begin(kinds=("slow_tool",))
    row = await staff.team.changing.find(state["change_id"])
    assert "+    return rows * 20_000" in row["diff"]
    assert row["evidence"]["by"].endswith("@qwen3:8b")
    (prompt,) = [text for text in staff.prompts if "is slow and otherwise sound" in text]
    assert "def paths" in prompt and "rows=11" in prompt
    assert (await shop.say(APPROVE))["status"] == "fixed"
    (judged,) = await staff.events("outcome.judged")
    assert judged["right"] is True
