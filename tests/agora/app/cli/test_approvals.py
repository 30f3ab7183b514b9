import asyncio
from pathlib import Path

import pytest

from agora import team
from memory.checkpoints import open_saver
from tests.agora.app.cli.conftest import Agora, Rows
from tests.conftest import ask, sh
from tests.improving import (
    BROKEN,
    DIFF,
    MENDED,
    OTHER_DIFF,
    change_in,
    from_approval,
    proposed,
    workshop,
)

FIELDS = {"id", "status", "title", "workspace", "diff", "digest", "report", "tests", "verdict"}


@pytest.fixture
def root(agora: Agora, tmp_path: Path) -> Path:
    """Return a workspace with a change that waits for approval."""
    return asyncio.run(_wait_for_approval(tmp_path))


async def _wait_for_approval(folder: Path) -> Path:
    current = team.current()
    try:
        async with open_saver(await current.database.url()) as saver:
            shop = workshop(current, saver, folder, app=from_approval())
            await shop.begin("fix-one", await proposed(shop, change_in(shop), "fix-one"))
        await ask(current, "UPDATE changes SET thread_id = 'fix-one' RETURNING 1")
    finally:
        await current.database.close()
    return shop.root


def commits(root: Path) -> int:
    return int(sh(root, "git", "rev-list", "--count", "HEAD"))


def test_nothing_waits_in_a_new_home(agora: Agora) -> None:
    assert agora("approvals", "--json").json == {"waiting": []}
    assert "nothing waits" in agora("approvals").out


def test_what_waits_is_listed_and_shown(agora: Agora, root: Path) -> None:
    (waiting,) = agora("approvals", "list", "--json").json["waiting"]
    assert set(waiting) >= FIELDS and waiting["id"] == "change" and waiting["diff"] == DIFF
    assert "change" in agora("approvals").out
    shown = agora("approvals", "show", "change")
    assert "+    return price * count" in shown.out and "status: waiting" in shown.out


def test_approving_commits(agora: Agora, root: Path) -> None:
    said = agora("approvals", "approve", "change", "--json")
    head = sh(root, "git", "rev-parse", "HEAD")
    assert said.code == 0 and said.json["status"] == "fixed" and said.json["commit"] == head
    assert (root / "prices.py").read_text() == MENDED and commits(root) == 2
    assert agora("approvals", "--json").json == {"waiting": []}


def test_what_is_settled_cannot_be_decided_again(agora: Agora, root: Path) -> None:
    agora("approvals", "reject", "change", "--reason", "no")
    said = agora("approvals", "approve", "change", "--json")
    assert said.code == 2 and "rejected" in said.error["message"] and commits(root) == 1


def test_rejecting_commits_nothing(agora: Agora, root: Path, rows: Rows) -> None:
    said = agora("approvals", "reject", "change", "--reason", "not like this", "--json")
    assert said.code == 0 and said.json["status"] == "rejected" and commits(root) == 1
    assert rows("SELECT type, reason FROM approvals") == [
        {"type": "reject", "reason": "not like this"}
    ]


def test_a_rejection_needs_a_reason(agora: Agora, root: Path) -> None:
    assert agora("approvals", "reject", "change", "--json").code == 2
    assert agora("approvals", "--json").json["waiting"]


@pytest.mark.needs("bubblewrap")
def test_an_edited_diff_is_tested_and_waits_again(agora: Agora, root: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.diff").write_text(OTHER_DIFF)
    said = agora("approvals", "edit", "change", "--file", tmp_path / "mine.diff", "--json")
    assert said.code == 3 and said.json["status"] == "waiting" and commits(root) == 1
    done = agora("approvals", "approve", said.json["change_id"], "--json")
    assert done.code == 0 and "count * price" in (root / "prices.py").read_text()


def test_an_edit_that_the_gate_refuses_ends_in_a_refusal(
    agora: Agora, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.diff").write_text(DIFF.replace("prices.py", "test_prices.py"))
    said = agora("approvals", "edit", "change", "--file", tmp_path / "mine.diff", "--json")
    assert said.code == 4 and said.json["status"] == "refused" and commits(root) == 1


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_an_edit_that_cannot_be_read_is_refused(
    agora: Agora, root: Path, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "mine.diff").write_bytes(content)
    said = agora("approvals", "edit", "change", "--file", tmp_path / "mine.diff", "--json")
    assert said.code == 2 and "cannot be read" in said.error["message"]


def test_a_dirty_tree_is_not_committed_over_and_a_second_yes_finishes(
    agora: Agora, root: Path
) -> None:
    (root / "prices.py").write_text("# mine\n" + BROKEN)
    said = agora("approvals", "approve", "change", "--json")
    assert said.code == 2 and "uncommitted" in said.error["message"] and said.error["hint"]
    assert commits(root) == 1 and (root / "prices.py").read_text().startswith("# mine")

    sh(root, "git", "checkout", "-q", "prices.py")
    again = agora("approvals", "approve", "change", "--json")
    assert again.code == 0 and again.json["status"] == "fixed" and commits(root) == 2
    assert (root / "prices.py").read_text() == MENDED


@pytest.mark.parametrize("words", [["show", "nix"], ["approve", "nix"]])
def test_an_unknown_change_is_refused(agora: Agora, words: list[str]) -> None:
    said = agora("approvals", *words, "--json")
    assert said.code == 2 and "no change nix" in said.error["message"]
