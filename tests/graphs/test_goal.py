"""The Meta-Architect: a goal becomes files and tests, through the same gate and approval."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agora.team import Team
from tests.improving import APPROVE, MENDED, TESTS, workshop
from tests.running import Hire

pytestmark = pytest.mark.needs("bubblewrap")
FILES = {"prices.py": MENDED, "test_prices.py": TESTS}
GOAL = "add a module that gives the price with tax"
MODULE = """from prices import total


def taxed(price: float, count: int, rate: float) -> float:
    return total(price, count) * (1 + rate)
"""
MODULE_TESTS = """from taxes import taxed


def test_a_fifth():
    assert taxed(10, 2, 0.2) == 24
"""
UP = "CREATE TABLE taxes (region text PRIMARY KEY, rate numeric NOT NULL);\n"


def built(**files: str) -> str:
    listed = [{"path": path.replace("__", "."), "content": text} for path, text in files.items()]
    return json.dumps({"why": "as asked", "files": listed})


def builder(*answers: str) -> Any:
    left = list(answers)

    def script(messages: Sequence[Any]) -> str:
        text = str(messages)
        if "Say which of its files" in text:
            return json.dumps({"paths": ["prices.py"]})
        if "Give each file that is new" in text:
            return left.pop(0) if len(left) > 1 else left[0]
        return json.dumps({"answer": "write the module", "confidence": 0.9})

    return script


async def test_a_goal_becomes_a_module_with_tests_that_waits_for_a_person(
    hire: Hire, saver: Any, tmp_path: Path
) -> None:
    staff = hire(builder(built(taxes__py=MODULE, test_taxes__py=MODULE_TESTS)))
    shop = workshop(staff.team, saver, tmp_path, FILES)
    state = await shop.begin(goal=GOAL)
    row = await staff.team.changing.find(state["change_id"])
    assert row["subject"] == "taxes.py" and row["evidence"]["verdict"]["verdict"] == "flag"
    assert row["evidence"]["tests"]["failing_before"] == ["test_taxes.py"]
    assert any("def total" in text and "<index>" in text for text in staff.prompts)
    assert shop.is_untouched
    assert (await shop.say(APPROVE))["status"] == "fixed"
    assert shop.read("taxes.py") == MODULE and shop.read("test_taxes.py") == MODULE_TESTS


@pytest.mark.parametrize(
    ("files", "rule"),
    [
        ({"taxes__py": MODULE}, "no_tests"),
        ({"taxes__py": MODULE, "test_taxes__py": "def test_it():\n    pass\n"}, "idle_tests"),
        ({"taxes__py": MODULE, "test_prices__py": MODULE_TESTS}, "tests"),
        ({"taxes__py": MODULE + "\n\nimport socket\n", "test_taxes__py": MODULE_TESTS}, "network"),
        ({"0001__sql": UP}, "migration"),
        ({"0001__sql": UP, "0001__rollback__sql": "SELECT 1;\n"}, "migration"),
    ],
)
async def test_what_breaks_a_rule_is_refused_and_the_next_attempt_is_told_why(
    hire: Hire, saver: Any, tmp_path: Path, files: dict[str, str], rule: str
) -> None:
    right = built(taxes__py=MODULE, test_taxes__py=MODULE_TESTS)
    staff = hire(builder(built(**files), right))
    shop = workshop(staff.team, saver, tmp_path, FILES)
    state = await shop.begin(goal=GOAL)
    row = await staff.team.changing.find(state["change_id"])
    assert "taxes.py" in row["evidence"]["files"] and state["attempts"] == 2
    assert any(f"was refused ({rule}:" in text for text in staff.prompts)


async def test_a_migration_with_its_rollback_is_tried_and_proposed(
    hire: Hire, saver: Any, tmp_path: Path
) -> None:
    files = {"0001__sql": UP, "0001__rollback__sql": "DROP TABLE taxes;\n"}
    staff = hire(builder(built(**files)))
    shop = workshop(staff.team, saver, tmp_path, FILES)
    state = await shop.begin(goal="a table of tax rates")
    row = await staff.team.changing.find(state["change_id"])
    (tried,) = row["evidence"]["migrations"]
    assert tried["path"] == "0001.sql" and tried["problem"] == ""
    assert row["evidence"]["verdict"]["verdict"] == "flag" and shop.is_untouched


async def test_without_a_model_a_goal_names_what_would_add_one(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = workshop(team, saver, tmp_path, FILES)
    state = await shop.begin(goal=GOAL)
    assert state["status"] == "not_found" and "needs a model" in state["message"]
