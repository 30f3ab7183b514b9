"""Capabilities through all their gates by the command line; what takes minutes is made small."""

import os
from typing import Any

import psycopg
import pytest

from tests.agora.app.cli.conftest import Agora, Rows
from tests.agora.domain.test_phases import GOOD

BASELINE = {"p50_ms": 50.0, "rss_mb": 150.0, "at_once": 12}
WON = "UPDATE trials SET status = 'promoted', ended_at = clock_timestamp(), pairs = 9, wins = 8"
FAILED = """
INSERT INTO capabilities (name, phase, paused, moved_at)
SELECT name, 'active', 'failed: ValueError: no', clock_timestamp() FROM unnest(%s::text[]) AS name
"""


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the self-test says, for a test to change; tests pass, unless they are named broken."""
    figures = {name: GOOD[name] for name in GOOD if name not in ("tests", "core_tests", "benefit")}

    async def baseline() -> dict[str, float]:
        return dict(BASELINE)

    async def measured(capabilities: Any) -> dict[str, Any]:
        return dict(figures)

    async def tested(tests: Any, off: Any = ()) -> bool:
        return "broken" not in tests

    monkeypatch.setattr("agora.app.selftest.baseline", baseline)
    monkeypatch.setattr("agora.app.selftest.measured", measured)
    monkeypatch.setattr("agora.app.selftest.tested", tested)
    return figures


def change(statement: str, *values: Any) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute(statement.encode(), values)


def test_a_capability_rises_through_its_gates_from_dormant_to_hybrid(
    agora: Agora, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = agora("capabilities", "check", "memories", "--json")
    assert said.code == 4 and said.error["hint"] == "agora snapshot create"
    assert agora("snapshot", "create").code == 0
    assert agora("capabilities", "deactivate", "memories").code == 0
    said = agora("capabilities", "activate", "memories", "--json")
    assert said.code == 0 and said.json["phase"] == "isolated"
    said = agora("capabilities", "activate", "memories", "--json")
    assert said.code == 4 and "stays isolated: benefit: not shown yet" in said.error["message"]
    change(WON)
    said = agora("capabilities", "activate", "memories")
    assert said.code == 0 and "phase: active" in said.out and "8 of 9 pairs won" in said.out
    change("UPDATE trials SET ended_at = clock_timestamp()")
    with monkeypatch.context() as patched:
        patched.setenv("AGORA_HEALTH__ALL_TESTS", '["broken"]')
        said = agora("capabilities", "activate", "memories", "--json")
    assert said.code == 4 and said.error["message"] == "memories stays active: tests: fail"
    assert agora("capabilities", "check", "memories", "--json").json["is_open"] is True
    assert agora("capabilities", "activate", "memories", "--json").json["phase"] == "hybrid"
    assert agora("capabilities", "activate", "memories").code == 2
    moves = rows(
        "SELECT body->>'phase' AS phase FROM events WHERE kind = 'capability.moved' ORDER BY id"
    )
    assert [one["phase"] for one in moves] == ["dormant", "isolated", "active", "hybrid"]


def test_a_gate_that_is_shut_leaves_a_capability_where_it_is_and_all_others_alone(
    agora: Agora, measured: dict[str, Any]
) -> None:
    agora("snapshot", "create")
    agora("capabilities", "deactivate", "memories")
    measured |= {"answered": 31, "asked": 32, "pages": False}
    said = agora("capabilities", "activate", "memories", "--json")
    why = "memories stays dormant: pages: fail; errors: 3.1 % of 32 tasks"
    assert said.code == 4 and said.error["message"] == why
    told = agora("capabilities", "list", "--json").json["capabilities"]
    assert [one["name"] for one in told if not one["is_on"]] == ["memories"]


def test_three_that_have_failed_stop_all_activation_until_one_is_put_away(agora: Agora) -> None:
    agora("snapshot", "create")
    agora("capabilities", "deactivate", "memories")
    change(FAILED, ["pulse", "scout", "loop"])
    said = agora("capabilities", "activate", "memories", "--json")
    assert said.code == 4 and "loop, pulse, scout failed" in said.error["message"]
    told = agora("capabilities", "--json").json["capabilities"]
    assert [one["is_on"] for one in told if one["name"] == "scout"] == [False]
    assert agora("capabilities", "deactivate", "loop").code == 0
    assert agora("capabilities", "activate", "memories", "--json").json["phase"] == "isolated"
    assert agora("capabilities", "activate", "pulse").code == 4  # itself has failed


def test_a_capability_rests_until_it_is_resumed_once(agora: Agora) -> None:
    said = agora("capabilities", "pause", "scout", "--reason", "too noisy", "--json")
    assert said.json == {"name": "scout", "paused": "too noisy"}
    assert "too noisy" in agora("capabilities").out
    assert agora("capabilities", "resume", "scout", "--json").json["resumed"] is True
    assert agora("capabilities", "resume", "scout", "--json").json["resumed"] is False


def test_what_is_not_there_or_switched_off_is_not_moved(
    agora: Agora, monkeypatch: pytest.MonkeyPatch
) -> None:
    for verb in ("check", "activate", "deactivate", "pause", "resume"):
        assert agora("capabilities", verb, "cash", "--json").error["code"] == "usage"
    monkeypatch.setenv("AGORA_CAPABILITIES__SCOUT", "false")
    said = agora("capabilities", "activate", "scout", "--json")
    assert said.code == 2 and "capabilities.scout" in said.error["hint"]
