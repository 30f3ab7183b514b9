"""Agora's own sources are a workspace like any other, its core apart."""

from pathlib import Path
from typing import Any

import pytest

from agora.domain.repair import gate
from agora.team import Team
from graphs.improvement import graph
from tests.conftest import commit, sh
from tests.improving import APPROVE, Workshop
from tests.reading import ROOT

pytestmark = pytest.mark.needs("bubblewrap")
TEST = "python -m pytest -q tests/agora/domain/test_budgets.py"
PLACE = "agora/domain/budgets.py"
RIGHT = "if one.cap_usd is not None or one.cap_tokens is not None"
WRONG = RIGHT.replace(" or ", " and ")


def checkout(folder: Path) -> Path:
    """Copy what is committed, and what is not yet, into a repository of its own."""
    root = folder / "agora"
    root.mkdir()
    for path in sh(ROOT, "git", "ls-files", "-co", "--exclude-standard").splitlines():
        source, target = ROOT / path, root / path
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    sh(root, "git", "init", "-q", "-b", "main")
    return root


async def test_a_bug_planted_in_agora_is_repaired_and_approved(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    root = checkout(tmp_path)
    text = (root / PLACE).read_text("utf-8")
    assert text.count(RIGHT) == 1
    (root / PLACE).write_text(text.replace(RIGHT, WRONG), "utf-8")
    commit(root, "plant a bug")
    shop = Workshop(team, root, graph.compile(checkpointer=saver))
    state = await shop.begin(test=TEST, timeout_s=60)
    assert state["change_id"], state["message"]
    assert (await shop.say(APPROVE))["status"] == "fixed"
    assert shop.read(PLACE) == text and not shop.litter


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
