import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agora.app.cli.conftest import Agora, Start, ended, told_until
from tests.conftest import repository, sh
from tests.improving import FILES, MENDED

SANDBOXED = pytest.mark.needs("bubblewrap")


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Return a folder for temporary files that the sandbox's own user can enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@SANDBOXED
def test_an_interrupted_search_is_resumed_and_leaves_nothing_running(
    start: Start, agora: Agora, tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = repository(tmp_path / "workspace", FILES)
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setenv("AGORA_STAGE__LEASE_S", "10")
    with start("fix", root, "--test", "pytest -q") as process:
        assert "investigating" in told_until(process, "investigating done")
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


def _living_in(session: int) -> list[str]:
    """Return the processes of a session, and those that bubblewrap has moved out of it."""
    deadline = time.monotonic() + 60
    while (left := _members(session)) and time.monotonic() < deadline:
        os.sched_yield()
    return left


def _members(session: int) -> list[str]:
    told = sh("/", "ps", "-eo", "sid=,stat=,args=").splitlines()
    lines = [line.split(None, 2) for line in told]
    return [args for sid, state, args in lines if sid == str(session) and state[0] != "Z"]
