from pathlib import Path
from typing import Any

import pytest

from tests.agora.app.cli.conftest import Agora
from tests.conftest import commit, repository, sh
from tests.improving import FILES, MENDED

SANDBOXED = pytest.mark.needs("bubblewrap")
FIELDS = {"status", "commit", "approval_id", "candidates", "seconds", "files"}

# A kind of bug, the module, what is right in it, what is broken, and what its tests say.
BUGS = {
    "operator": (
        "def overdrawn(moves: list[int]) -> bool:\n"
        '    """Return whether the balance was ever negative."""\n'
        "    balance = 0\n"
        "    for move in moves:\n"
        "        balance += move\n"
        "        if balance < 0:\n"
        "            return True\n"
        "    return False\n",
        ("balance < 0", "balance == 0"),
        ("overdrawn([1, -1, 2]) is False", "overdrawn([1, -2]) is True", "overdrawn([]) is False"),
    ),
    "missing": (
        "def half(total: float, parts: int) -> float | None:\n"
        '    """Return total / parts; None where there are no parts."""\n'
        "    if parts == 0:\n"
        "        return None\n"
        "    return total / parts\n",
        ("    if parts == 0:\n        return None\n", ""),
        ("half(6, 3) == 2", "half(1, 0) is None", "half(0, 4) == 0"),
    ),
}


def workspace(folder: Path, files: dict[str, str] = FILES) -> Path:
    return repository(folder / "workspace", files)


@SANDBOXED
@pytest.mark.parametrize("kind", BUGS)
def test_a_correct_patch_waits_and_the_work_tree_is_untouched(
    agora: Agora, tmp_path: Path, kind: str
) -> None:
    right, (good, bad), asserts = BUGS[kind]
    name = right.split("(")[0].removeprefix("def ")
    tests = [f"def test_{n}():\n    assert {said}\n" for n, said in enumerate(asserts)]
    head = f"from solution import {name}\n\n\n"
    files = {"solution.py": right.replace(good, bad), "test_visible.py": head + "\n\n".join(tests)}
    root = workspace(tmp_path, files)
    said = agora("fix", root, "--test", "pytest -q", "--json")
    told = said.json
    assert said.code == 3 and told["status"] == "waiting" and set(told) >= FIELDS
    assert told["files"] == ["solution.py"] and told["commit"] is None and told["candidates"] > 0
    assert sh(root, "git", "status", "--porcelain", "--ignored") == ""
    assert sh(root, "git", "rev-list", "--count", "HEAD") == "1"

    diff = agora("approvals", "show", told["approval_id"], "--json").json["diff"]
    (tmp_path / "patch").write_text(diff)
    sh(root, "git", "apply", str(tmp_path / "patch"))
    assert _agrees(root, name, right)


def _agrees(root: Path, name: str, right: str) -> bool:
    """Return whether the patched function does what the right one does, beyond its tests."""
    more: dict[str, list[Any]] = {
        "overdrawn": [([5, -5, 3, -4],), ([0],), ([-1],), ([3, -3],)],
        "half": [(0, 0), (5, 2), (-4, 2)],
    }
    ours: dict[str, Any] = {}
    theirs: dict[str, Any] = {}
    exec((root / "solution.py").read_text(), ours)
    exec(right, theirs)
    return all(ours[name](*given) == theirs[name](*given) for given in more[name])


@SANDBOXED
def test_yes_commits_what_was_found_and_a_second_look_finds_nothing(
    agora: Agora, tmp_path: Path
) -> None:
    root = workspace(tmp_path)
    first = agora("fix", root, "--test", "pytest -q", "--json")
    again = agora("fix", root, "--test", "pytest -q", "--json", "--yes")
    assert again.code == 0 and again.json["status"] == "fixed"
    assert again.json["approval_id"] == first.json["approval_id"], "the waiting one was approved"
    assert again.json["commit"] == sh(root, "git", "rev-parse", "HEAD")
    assert (root / "prices.py").read_text() == MENDED
    last = agora("fix", root, "--test", "pytest -q", "--json")
    assert last.code == 0 and last.json["status"] == "nothing_to_repair"


@SANDBOXED
def test_binary_files_and_other_encodings_stay_as_they_are(agora: Agora, tmp_path: Path) -> None:
    root = workspace(tmp_path)
    odd = {"blob.bin": bytes(range(256)), "latin.py": b"name = '\xe9'\n", "notes.md": b"caf\xe9\0"}
    for name, content in odd.items():
        (root / name).write_bytes(content)
    commit(root, "odd files")
    said = agora("fix", root, "--test", "pytest -q", "--json", "--yes")
    assert said.code == 0 and said.json["status"] == "fixed"
    assert {name: (root / name).read_bytes() for name in odd} == odd
    assert sh(root, "git", "status", "--porcelain") == ""
