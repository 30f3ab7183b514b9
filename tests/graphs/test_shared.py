"""Level two: what several tools repeat is shared, in one change, watched over all of them."""

from pathlib import Path
from typing import Any

import pytest

from agora.team import Team
from tests.agora.domain.repair.test_patterns import TOOL
from tests.improving import APPROVE, Workshop, workshop

pytestmark = pytest.mark.needs("bubblewrap")
NAMES = ("title", "label", "note")
TESTS = "".join(f"from {name} import {name}\n" for name in NAMES) + (
    "\n\ndef test_all():\n    assert title(' a  b ') == label('a b') == note('a\\nb') == 'a b'\n"
)
FILES = {f"{name}.py": TOOL.replace("NAME", name) for name in NAMES} | {"test_tools.py": TESTS}


async def shared(team: Team, saver: Any, folder: Path) -> Workshop:
    shop = workshop(team, saver, folder, FILES)
    await shop.begin(kinds=("pattern",))
    return shop


async def test_three_tools_get_one_utility_in_one_approved_change(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = await shared(team, saver, tmp_path)
    (action,) = (await shop.asked())["action_requests"]
    assert action["args"]["title"] == "Share clean between 3 files" and shop.is_untouched
    assert (await shop.say(APPROVE))["status"] == "fixed" and len(shop.commits) == 2
    assert all("def clean" not in shop.read(f"{name}.py") for name in NAMES)
    assert "def clean" in shop.read("shared_clean.py") and not shop.litter
    (watch,) = (await team.watching.records())["watches"].values()
    assert {f"{name}.py" for name in NAMES} < set(watch["paths"])
    told = {"workspace": str(shop.root), "path": "note.py", "tool": "note.note", "error": "x"}
    await team.watching.judge(told | {"arguments": {}, "is_right": False, "line": 1}, "use")
    (watch,) = (await team.watching.records())["watches"].values()
    assert watch["outcomes"] == 1


async def test_what_was_rejected_is_not_proposed_again(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = await shared(team, saver, tmp_path)
    await shop.say({"type": "reject", "message": "they will differ soon"})
    state = await shop.begin("two", kinds=("pattern",))
    assert state["status"] == "nothing_to_repair" and shop.is_untouched
