from pathlib import Path

import pytest

from tests.agora.app.cli.conftest import Agora
from tests.conftest import repository, sh

SLOW = '''"""Lists."""


def shared(count: int) -> int:
    """Count what two sequences share."""
    left = [n * n % 20011 for n in range(count)]
    return sum(1 for n in range(count) if n in left)
'''
TESTS = "from lists import shared\n\n\ndef test_few():\n    assert shared(3) == 2\n"


@pytest.mark.needs("bubblewrap")
def test_a_tool_whose_calls_were_slow_is_made_faster_and_one_that_is_fast_is_left_alone(
    agora: Agora, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = repository(tmp_path / "workspace", {"lists.py": SLOW, "test_lists.py": TESTS})
    (tmp_path / "agora.yaml").write_text("repair: {slow_s: 0.02, executions: 3}\n")
    monkeypatch.setenv("AGORA_CONFIG", str(tmp_path / "agora.yaml"))
    for _ in range(3):
        given = ("--workspace", root, "--args", '{"count": 3000}', "--json")
        assert agora("tools", "run", "lists.shared", *given).code == 0
    waits = agora("fix", root, "--test", "pytest -q", "--faster", "--json")
    assert waits.code == 3 and waits.json["files"] == ["lists.py"] and waits.json["candidates"] == 1
    assert sh(root, "git", "rev-list", "--count", "HEAD") == "1"
    shown = agora("approvals", "show", waits.json["approval_id"]).out
    assert "+    left_set = set(left)" in shown and "times as fast" in shown
    assert "shared(count=3000): 0.0" in shown and "sound but slow" in shown
    done = agora("approvals", "approve", waits.json["approval_id"], "--json")
    assert done.json["status"] == "fixed"
    assert done.json["commit"] == sh(root, "git", "rev-parse", "HEAD")
    assert "if n in left_set" in (root / "lists.py").read_text()

    again = agora("fix", root, "--test", "pytest -q", "--faster", "--json")
    assert again.code == 0 and again.json["status"] == "nothing_to_repair"
