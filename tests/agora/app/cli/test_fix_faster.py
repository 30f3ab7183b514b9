import signal
from pathlib import Path

import pytest

from tests.agora.app.cli.conftest import Agora, Start, ended, told_until
from tests.conftest import repository, sh

SLOW = '''"""Lists."""


def shared(count: int) -> int:
    """Count what two sequences share."""
    left = [n * n % 20011 for n in range(count)]
    return sum(1 for n in range(count) if n in left)
'''
TESTS = "from lists import shared\n\n\ndef test_few():\n    assert shared(3) == 2\n"


FILES = {"lists.py": SLOW, "test_lists.py": TESTS}
PAUSED = '''"""Pauses."""

import time


def paused(count: int) -> int:
    """Wait for a device."""
    time.sleep(count / 100)
    return count
'''
FASTER = ("--test", "pytest -q", "--faster", "--json")


@pytest.fixture(autouse=True)
def _soon_slow(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "agora.yaml").write_text("repair: {slow_s: 0.02, executions: 3}\n")
    monkeypatch.setenv("AGORA_CONFIG", str(tmp_path / "agora.yaml"))


def called(agora: Agora, root: Path, tool: str, count: int) -> None:
    """Call a tool as often as it takes to be noticed."""
    for _ in range(3):
        given = ("--workspace", root, "--args", f'{{"count": {count}}}')
        assert agora("tools", "run", tool, *given).code == 0


@pytest.mark.needs("bubblewrap")
def test_a_tool_whose_calls_were_slow_is_made_faster_and_one_that_is_fast_is_left_alone(
    agora: Agora, tmp_path: Path
) -> None:
    root = repository(tmp_path / "workspace", FILES)
    called(agora, root, "lists.shared", 3000)
    waits = agora("fix", root, *FASTER)
    assert waits.code == 3 and waits.json["files"] == ["lists.py"] and waits.json["candidates"] == 1
    assert sh(root, "git", "rev-list", "--count", "HEAD") == "1"
    shown = agora("approvals", "show", waits.json["approval_id"]).out
    assert "+    left_set = set(left)" in shown and "times as fast" in shown
    assert "shared(count=3000): 0.0" in shown and "sound but slow" in shown
    twice = agora("fix", root, *FASTER)
    assert twice.code == 3 and twice.json["approval_id"] == waits.json["approval_id"]
    done = agora("approvals", "approve", waits.json["approval_id"], "--json")
    assert done.json["status"] == "fixed"
    assert done.json["commit"] == sh(root, "git", "rev-parse", "HEAD")
    assert "if n in left_set" in (root / "lists.py").read_text()

    again = agora("fix", root, *FASTER)
    assert again.code == 0 and again.json["status"] == "nothing_to_repair"
    assert "of no tool here, as it is now, a call is recorded" in again.json["message"]
    called(agora, root, "lists.shared", 30)
    fast = agora("fix", root, *FASTER)
    assert fast.code == 0 and "no sound tool takes more than 0.02 s" in fast.json["message"]


@pytest.mark.needs("bubblewrap")
def test_why_a_slow_tool_stays_as_it_is_is_said_once_and_then_that_it_was(
    agora: Agora, tmp_path: Path
) -> None:
    root = repository(tmp_path / "workspace", {"pauses.py": PAUSED, "test_lists.py": TESTS})
    called(agora, root, "pauses.paused", 4)
    first, second = agora("fix", root, *FASTER), agora("fix", root, *FASTER)
    assert first.code == 1 and "it may do more than compute" in first.json["message"]
    assert second.code == 0 and "was refused, or nothing was found" in second.json["message"]


@pytest.mark.needs("bubblewrap")
def test_without_a_test_nothing_is_made_faster_and_a_person_is_told_to_write_one(
    agora: Agora, tmp_path: Path
) -> None:
    root = repository(tmp_path / "workspace", {"lists.py": SLOW})
    called(agora, root, "lists.shared", 3000)
    said = agora("fix", root, *FASTER)
    assert said.code == 1 and "write one first" in said.json["message"]
    assert (root / "lists.py").read_text() == SLOW


@pytest.mark.needs("bubblewrap")
def test_an_interrupted_race_is_resumed_and_nobody_else_begins_it_meanwhile(
    start: Start, agora: Agora, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGORA_STAGE__LEASE_S", "3")
    root = repository(tmp_path / "workspace", FILES)
    called(agora, root, "lists.shared", 3000)
    with start("fix", root, *FASTER[:-1]) as process:
        told_until(process, "investigating done")
        process.send_signal(signal.SIGINT)
        said = ended(process)
    *_, last = said.err.strip().splitlines()
    assert said.code == 130 and last.startswith("  agora resume fix-")
    other = agora("fix", root, *FASTER)
    assert other.code == 1 and other.error["code"] == "claim_held"
    assert "begun to make lists.shared faster" in other.error["message"]
    resumed = agora("resume", last.split()[-1])
    assert resumed.code == 0 and "agora approvals show repair-" in resumed.out
    assert agora("fix", root, *FASTER).json["status"] == "waiting"


def test_of_goal_shared_and_faster_one_is_chosen(agora: Agora, tmp_path: Path) -> None:
    both = agora("fix", tmp_path, "--test", "pytest", "--faster", "--shared", "--json")
    assert both.code == 2 and "choose one" in both.error["message"]
