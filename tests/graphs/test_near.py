"""Workspaces with more tests than are run: those near a patch have a word in it."""

from pathlib import Path
from typing import Any

import pytest

from agora.domain.settings import Settings
from agora.team import Team
from tests.conftest import commit
from tests.improving import APPROVE, workshop

pytestmark = pytest.mark.needs("bubblewrap")
SOUND = "def half(n: int) -> int:\n    return n // 2\n"
BROKEN = SOUND.replace("//", "*")
FILES = {
    "half.py": SOUND,
    "label.py": "from half import half\n\n\ndef label(n: int) -> str:\n    return str(half(n))\n",
    "other.py": "def other() -> int:\n    return 1\n",
    "test_half.py": "from half import half\n\n\ndef test_two():\n    assert half(2) == 1\n",
    "test_label.py": "from label import label\n\n\ndef test_none():\n    assert label(0) == '0'\n",
    "test_other.py": "from other import other\n\n\ndef test_it():\n    assert other() == 1\n",
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    few = settings.repair.model_copy(update={"test_files": 2, "candidates": 300})
    return settings.model_copy(update={"repair": few})


async def test_a_patch_that_breaks_a_test_nearby_gives_way_to_its_rival(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = workshop(team, saver, tmp_path, FILES)
    (shop.root / "half.py").write_text(BROKEN)
    commit(shop.root, "Simplify")
    waiting = await shop.begin()
    change = await team.changing.find(waiting["change_id"])
    assert "+    return n // 2" in change["diff"], "n / 2 passes all that the search has run"
    near = {"files": ["test_half.py", "test_label.py"], "of": 3}
    assert change["evidence"]["tests_near"] == near
    assert all("`/`" not in one["description"] for one in change["evidence"]["rivals"])
    assert (await shop.say(APPROVE))["status"] == "fixed"
    assert shop.read("half.py") == SOUND


async def test_a_test_nearby_that_takes_long_or_fails_anyway_proves_nothing(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    odd = "import time\nfrom label import label\n\n\ndef test_none():\n    assert label(0) == '0'\n"
    odd += (
        "\n\ndef test_long():\n    time.sleep(3)\n\n\ndef test_wrong():\n    assert not label(0)\n"
    )
    shop = workshop(team, saver, tmp_path, FILES | {"test_label.py": odd})
    (shop.root / "half.py").write_text(BROKEN)
    commit(shop.root, "Simplify")
    waiting = await shop.begin()
    change = await team.changing.find(waiting["change_id"])
    assert "+    return n // 2" in change["diff"]
    assert change["evidence"]["tests_near"]["files"] == ["test_half.py", "test_label.py::test_none"]
    assert change["evidence"]["tests"]["passing_after"] == [
        "test_half.py::test_two",
        "test_label.py::test_none",
    ]
