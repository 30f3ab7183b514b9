import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agora.app.cli.conftest import Agora
from tests.conftest import repository, sh
from tests.improving import BROKEN, FILES, MENDED, TESTS

SANDBOXED = pytest.mark.needs("bubblewrap")
ENDLESS = "\n\ndef test_for_ever():\n    while True:\n        pass\n"


def workspace(folder: Path, files: dict[str, str] = FILES) -> Path:
    return repository(folder / "workspace", files)


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
    monkeypatch.setenv("AGORA_SANDBOX__TEST_TIMEOUT_S", "30")
    root = workspace(tmp_path, {"prices.py": MENDED, "test_prices.py": TESTS + ENDLESS})
    said = agora("fix", root, "--test", "pytest -q", "--timeout", "1", "--json")
    assert said.code == 1 and said.json["status"] == "not_found"
    assert "test_for_ever: DeadlineError" in said.err and "1 of 3 tests fail" in said.err
