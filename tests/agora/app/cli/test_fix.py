import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agora.app.cli.conftest import Agora, Start, ended
from tests.conftest import commit, repository, sh
from tests.improving import BROKEN, FILES, MENDED, TESTS

SANDBOXED = pytest.mark.needs("bubblewrap")
FIELDS = {"status", "commit", "approval_id", "candidates", "seconds", "files"}
ENDLESS = "\n\ndef test_for_ever():\n    while True:\n        pass\n"

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
    "variable": (
        "def containing(words: list[str], part: str) -> list[str]:\n"
        '    """Return the words that contain a part."""\n'
        "    return [word for word in words if part in word]\n",
        ("part in word", "word in part"),
        (
            "containing(['tree', 'bee', 'oak'], 'ee') == ['tree', 'bee']",
            "containing([], 'x') == []",
        ),
    ),
    "value": (
        "def product(numbers: list[int]) -> int:\n"
        '    """Return the product of all; 1 of none."""\n'
        "    result = 1\n"
        "    for number in numbers:\n"
        "        result *= number\n"
        "    return result\n",
        ("result = 1", "result = 0"),
        ("product([]) == 1", "product([2, 3, 7]) == 42", "product([5]) == 5"),
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
    "bound": (
        "def last(items: list[int], count: int) -> list[int]:\n"
        '    """Return the last `count` items."""\n'
        "    return items[len(items) - count :]\n",
        ("len(items) - count :", "len(items) - count + 1 :"),
        ("last([1, 2, 3], 2) == [2, 3]", "last([4, 5], 1) == [5]", "last([], 0) == []"),
    ),
}


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Return a folder for temporary files that the sandbox's own user can enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


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
        "containing": [(["abc", "c", ""], "c"), (["a"], ""), (["x"], "y")],
        "product": [([0, 4],), ([-2, 3],), ([1],)],
        "half": [(0, 0), (5, 2), (-4, 2)],
        "last": [([1, 2, 3, 4], 4), ([1, 2, 3, 4], 3), ([9], 0)],
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


def _plain(root: Path) -> None:
    subprocess.run(["rm", "-rf", root / ".git"], check=True)


def _dirty(root: Path) -> None:
    (root / "prices.py").write_text("# mine\n" + BROKEN)


def _detached(root: Path) -> None:
    sh(root, "git", "checkout", "-q", "--detach")


def _empty(root: Path) -> None:
    sh(root, "git", "update-ref", "-d", "HEAD")


def _gone(root: Path) -> None:
    root.rename(root.with_name("elsewhere"))


def _merging(root: Path) -> None:
    (root / ".git" / "MERGE_HEAD").write_text(sh(root, "git", "rev-parse", "HEAD"))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_plain, "not a git repository"),
        (_dirty, "prices.py has uncommitted changes"),
        (_detached, "detached HEAD"),
        (_empty, "no commit yet"),
        (_gone, "no such folder"),
        (_merging, "a merge is in progress"),
    ],
)
def test_a_workspace_that_cannot_be_worked_on_is_refused(
    agora: Agora, tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    root = workspace(tmp_path)
    spoil(root)
    before = _all_files(tmp_path)
    refused = agora("fix", root, "--test", "pytest -q", "--json")
    assert refused.code == 2 and said in refused.error["message"]
    assert _all_files(tmp_path) == before


def _all_files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("nonsense --quick", "must start with pytest"),
        ("./bin/pytest -q", "does not exist"),
        ("", "must start with pytest"),
        ("pytest 'unclosed", "cannot be read"),
        ("pytest -q; rm -rf x", ""),
    ],
)
def test_a_test_command_that_cannot_run_is_refused(
    agora: Agora, tmp_path: Path, command: str, said: str
) -> None:
    root = workspace(tmp_path)
    refused = agora("fix", root, "--test", command, "--json")
    assert refused.code in (1, 2) and said in refused.error["message"]
    assert sh(root, "git", "status", "--porcelain", "--ignored") == ""


@SANDBOXED
def test_a_workspace_without_tests_is_refused(agora: Agora, tmp_path: Path) -> None:
    root = workspace(tmp_path, {"prices.py": BROKEN})
    refused = agora("fix", root, "--test", "pytest -q", "--json")
    assert refused.code == 2 and "collects no tests" in refused.error["message"]


@SANDBOXED
def test_tests_that_hang_before_any_is_collected_give_no_verdict(
    agora: Agora, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = workspace(tmp_path, FILES | {"test_prices.py": "while True:\n    pass\n"})
    monkeypatch.setenv("AGORA_SANDBOX__TEST_TIMEOUT_S", "1")
    refused = agora("fix", root, "--test", "pytest -q", "--json")
    assert refused.code == 1 and refused.error["code"] == "sandbox_failed"
    assert "no test was collected" in refused.error["message"] and refused.error["hint"]
    assert sh(root, "git", "status", "--porcelain", "--ignored") == ""


@SANDBOXED
def test_one_test_past_its_deadline_is_a_failing_test(
    agora: Agora, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGORA_SANDBOX__TEST_TIMEOUT_S", "3")
    root = workspace(tmp_path, {"prices.py": MENDED, "test_prices.py": TESTS + ENDLESS})
    said = agora("fix", root, "--test", "pytest -q", "--timeout", "1", "--json")
    assert said.code == 1 and said.json["status"] == "not_found"
    assert "test_for_ever: DeadlineError" in said.err and "1 of 3 tests fail" in said.err


@SANDBOXED
def test_an_interrupted_search_is_resumed_and_leaves_nothing_running(
    start: Start, agora: Agora, tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = workspace(tmp_path)
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setenv("AGORA_STAGE__LEASE_S", "3")
    with start("fix", root, "--test", "pytest -q") as process:
        assert "investigating" in _until(process, "investigating done")
        process.send_signal(signal.SIGINT)
        said = ended(process)
    assert said.code == 130 and "Traceback" not in said.err
    *_, last = said.err.strip().splitlines()
    words = last.split()
    assert words[:2] == ["agora", "resume"]
    assert _living_in(process.pid) == [] and list(scratch.iterdir()) == []

    monkeypatch.delenv("TMPDIR")
    other = agora("fix", root, "--test", "pytest -q", "--json")
    assert other.code == 1 and other.error["code"] == "claim_held"
    resumed = agora("resume", words[2], "--json")
    (thread,) = resumed.json["threads"]
    assert resumed.code == 0 and thread["status"] == "waiting"
    done = agora("approvals", "approve", thread["change_id"], "--json")
    assert done.code == 0 and (root / "prices.py").read_text() == MENDED


def _until(process: "subprocess.Popen[str]", word: str) -> str:
    """Read what a process tells until it says a word."""
    assert process.stderr
    told = ""
    while word not in told:
        line = process.stderr.readline()
        assert line, f"ended: {told}"
        told += line
    return told


def _living_in(session: int) -> list[str]:
    """Return the processes of a session, and those that bubblewrap has moved out of it."""
    deadline = time.monotonic() + 5
    while (left := _members(session)) and time.monotonic() < deadline:
        os.sched_yield()
    return left


def _members(session: int) -> list[str]:
    told = sh("/", "ps", "-eo", "sid=,stat=,args=").splitlines()
    lines = [line.split(None, 2) for line in told]
    return [args for sid, state, args in lines if sid == str(session) and state[0] != "Z"]
