from pathlib import Path

import pytest

from agora.app import probes
from agora.domain.phases import CAPABILITIES
from tests.agora.app.cli.conftest import Agora


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "PATIENCE_S", 60.0)  # on a busy machine


def test_health_says_how_each_part_is_and_that_tasks_are_taken(agora: Agora) -> None:
    said = agora("health")
    assert said.code == 0 and "store:postgresql" in said.out and "takes tasks" in said.out
    told = agora("health", "--json").json
    assert told["ready"] is True and told["status"] in ("pass", "warn")
    assert told["checks"]["store:postgresql"][0]["observedUnit"] == "ms"


def test_health_fails_where_the_database_is_away(
    agora: Agora, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    said = agora("health", "--json")
    assert said.code == 1 and said.json["ready"] is False
    assert "store:postgresql" in said.json["output"]


def test_capabilities_are_listed_paused_and_woken(agora: Agora) -> None:
    told = agora("capabilities", "list", "--json").json["capabilities"]
    assert {one["name"] for one in told} == {*CAPABILITIES} and all(one["is_on"] for one in told)
    assert agora("capabilities", "pause", "scout", "--reason", "no news today").code == 0
    assert "no news today" in agora("capabilities").out
    assert agora("capabilities", "resume", "scout", "--json").json["resumed"] is True
    assert agora("capabilities", "deactivate", "scout", "--json").json["phase"] == "dormant"
    assert agora("capabilities", "pause", "wings", "--json").code == 2


def test_a_capability_that_settings_switch_off_says_so(
    agora: Agora, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGORA_CAPABILITIES__PULSE", "false")
    told = {one["name"]: one for one in agora("capabilities", "--json").json["capabilities"]}
    assert not told["pulse"]["is_on"] and "capabilities.pulse" in told["pulse"]["why_not"]


def test_there_is_no_way_back_to_what_was_never_taken(agora: Agora, tmp_path: Path) -> None:
    assert agora("snapshot", "list", "--json").json == {"snapshots": []}
    said = agora("snapshot", "restore", "none", "--yes", "--json")
    assert said.code == 2 and "there is no snapshot none" in said.error["message"]
