import signal
from pathlib import Path

import pytest

from tests.agora.app.cli.conftest import Agora, Start
from tests.agora.app.test_loops import GREEN, STATS
from tests.conftest import repository
from tests.improving import FILES

SANDBOXED = pytest.mark.needs("bubblewrap")


@SANDBOXED
def test_a_loop_is_started_paused_resumed_looked_at_and_stopped(
    agora: Agora, tmp_path: Path
) -> None:
    root = repository(tmp_path / "workspace", GREEN)
    said = agora("loop", "start", root, "--preset", "development", "--json")
    assert said.code == 0 and said.json["running"] is True and said.json["workers"] == 0
    assert "agora worker" in said.err
    assert agora("loop", "pause", root, "--json").json["status"] == "paused"
    assert agora("loop", "resume", root, "--json").json["status"] == "running"
    told = agora("loop", "cycle", root, "--json")
    assert told.code == 0 and told.json["runs"] == []
    stats = agora("loop", "stats", root, "--json").json
    assert set(stats) >= STATS and stats["cycle_count"] == 1 and stats["preset"] == "development"
    assert agora("loop", "stop", root, "--json").json["status"] == "stopped"
    assert agora("loop", "stats", root, "--json").json["running"] is False


@SANDBOXED
def test_one_cycle_of_a_workspace_that_no_loop_knows(agora: Agora, tmp_path: Path) -> None:
    root = repository(tmp_path / "workspace", FILES)
    said = agora("loop", "cycle", root, "--json")
    (run,) = said.json["runs"]
    assert said.code == 0 and run["status"] == "waiting"
    assert agora("approvals", "list", "--json").json["waiting"][0]["id"] == run["change_id"]
    assert agora("loop", "stats", root, "--json").json["running"] is False


def test_what_cannot_be_looked_after_is_refused(agora: Agora, tmp_path: Path) -> None:
    assert agora("loop", "start", tmp_path / "nosuch", "--json").code == 2
    root = repository(tmp_path / "workspace", FILES)
    assert agora("loop", "stats", root, "--json").code == 2
    said = agora("loop", "start", root, "--preset", "nosuch", "--json")
    assert said.code == 2 and "default, development" in said.error["hint"]


@SANDBOXED
def test_in_a_terminal_a_loop_runs_until_it_is_interrupted(
    agora: Agora, start: Start, tmp_path: Path
) -> None:
    root = repository(tmp_path / "workspace", GREEN)
    with start("loop", "start", root, "--here") as process:
        assert process.stderr and "looking after" in process.stderr.readline()
        while not (said := agora("loop", "stats", root, "--json")).out or said.code:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    assert agora("loop", "stats", root, "--json").json["running"] is False


@SANDBOXED
def test_a_maintenance_is_tried_dry_and_then_done_and_what_it_found_is_told(
    agora: Agora, tmp_path: Path
) -> None:
    crashing = 'def share(a: int, b: int) -> float:\n    """Return a share."""\n    return a / b\n'
    root = repository(tmp_path / "workspace", {"shares.py": crashing})
    dry = agora("loop", "maintain", root, "--dry-run", "--json")
    assert dry.code == 0 and dry.json["added"] == ["shares.share"]
    done = agora("loop", "maintain", root, "--json").json
    assert done["predicted"] == ["shares.share"] and done["found"] == 1
    assert agora("alerts", "--json").json == {"alerts": []}
