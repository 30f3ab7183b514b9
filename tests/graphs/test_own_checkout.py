"""Agora's own sources are a workspace like any other, its core apart."""

from pathlib import Path
from typing import Any

import pytest

from agora.domain.repair import gate
from agora.domain.settings import Settings
from agora.team import Team
from tests.conftest import commit
from tests.improving import APPROVE, workshop
from tests.reading import ROOT


def test_its_core_is_a_persons_work() -> None:
    path = "agora/domain/repair/gate.py"
    line = next(line for line in (ROOT / path).read_text().splitlines() if "MOST_LINES =" in line)
    at = (ROOT / path).read_text().splitlines().index(line) + 1
    diff = f"--- a/{path}\n+++ b/{path}\n@@ -{at} +{at} @@\n-{line}\n+MOST_LINES = 9000\n"
    texts = {
        name: (ROOT / name).read_text()
        for name in (path, "agora/team/acting.py", "graphs/improvement.py")
    }
    assert gate.judge(texts, diff).rule == "stable_core"


MODULES = ("breakers", "contracts", "errors", "credit", "table")
TESTED = ("breakers", "credit", "table")
MARKS = ("agora/domain/repair/gate.py", "agora/team/acting.py", "graphs/improvement.py")
PLANTED = "agora/domain/breakers.py"
PYTEST = "[tool.pytest.ini_options]\npythonpath = ['.']\naddopts = '--import-mode=importlib'\n"


def part_of_agora() -> dict[str, str]:
    """Return a few modules with their tests, and what tells that they are Agora's own."""
    names = [f"agora/domain/{name}.py" for name in MODULES]
    names += [f"tests/agora/domain/test_{name}.py" for name in TESTED]
    return {name: (ROOT / name).read_text() for name in (*names, *MARKS)} | {
        "pyproject.toml": PYTEST
    }


@pytest.fixture
def settings(settings: Settings) -> Settings:
    few = settings.repair.model_copy(update={"test_files": 1, "candidates": 300})
    return settings.model_copy(update={"repair": few})


@pytest.mark.needs("bubblewrap")
async def test_a_bug_planted_in_it_is_repaired_once_a_person_says_yes(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    files = part_of_agora()
    shop = workshop(team, saver, tmp_path, files)
    broken = files[PLANTED].replace('server["row"] + 1', 'server["row"] - 1')
    (shop.root / PLANTED).write_text(broken)
    commit(shop.root, "Simplify")
    waiting = await shop.begin()
    assert shop.read(PLANTED) == broken
    ended = await shop.say(APPROVE)
    assert ended["status"] == "fixed"
    assert shop.read(PLANTED) == files[PLANTED]
    change = await team.changing.find(waiting["change_id"])
    chosen = {"files": ["tests/agora/domain/test_breakers.py"], "of": len(TESTED)}
    assert change["evidence"]["tests_near"] == chosen
