from pathlib import Path
from typing import Any

import pytest

import agora.team
from agora.app import activation, selftest
from agora.domain.phases import gates, is_chosen
from agora.team import Team
from agora.team.capabilities import GateShutError
from tests.agora.domain.test_phases import BASELINE, GOOD
from tests.conftest import ask

OPEN = gates(GOOD, BASELINE)
ENDED = """
INSERT INTO tasks (id, thread_id, tenant, body, status, outcome, ended_at)
VALUES (%s, 'one', 'default', '{"domain": "math"}', %s, '{}', clock_timestamp()) RETURNING id
"""


def row(task_id: str, domain: str, is_right: bool = True) -> dict[str, Any]:
    return {"id": task_id, "domain": domain, "is_right": is_right}


def names(chosen: bool, count: int) -> list[str]:
    found = (f"task-{number}" for number in range(10_000))
    return [name for name in found if is_chosen(name) is chosen][:count]


def test_a_pair_is_of_one_domain_and_each_task_is_in_one_pair() -> None:
    ours, others = names(True, 3), names(False, 3)
    rows = [row(ours[0], "math"), row(others[0], "law"), row(ours[1], "math"), row(ours[2], "law")]
    rows += [row(others[1], "math"), row(others[2], "math")]
    found = [(one["id"], other["id"]) for one, other in activation.pairs(rows)]
    assert found == [(ours[0], others[1]), (ours[1], others[2]), (ours[2], others[0])]


async def isolate(team: Team) -> None:
    await team.capabilities.deactivate("memories", "begin anew", "operator")
    await team.capabilities.activate("memories", OPEN, "operator")
    await team.proving.open("capability", "memories", {"phase": "isolated"})


async def end(team: Team, chosen: str, others: str, count: int = 40) -> None:
    """End so many tasks of each kind with these statuses."""
    for is_ours, status in ((True, chosen), (False, others)):
        for name in names(is_ours, count):
            await ask(team, ENDED, name, status)


async def test_a_capability_that_helps_wins_its_trial_and_that_opens_its_gate(team: Team) -> None:
    await isolate(team)
    await end(team, "answered", "failed")
    assert await activation.compare(team) == {"memories": "promote"}
    said = await activation.benefit(team, "memories")
    assert said and "pairs won" in said
    measured = GOOD | {"benefit": said}
    phase = await team.capabilities.activate("memories", gates(measured, BASELINE), "operator")
    assert phase == "active"


async def test_a_capability_that_harms_is_taken_back_alone(team: Team) -> None:
    await isolate(team)
    await end(team, "failed", "answered")
    assert await activation.compare(team) == {"memories": "drop"}
    assert team.capabilities.phase("memories") == "dormant"
    assert team.capabilities.has("pulse")


async def test_one_of_which_nothing_shows_any_use_stays_isolated(team: Team) -> None:
    await isolate(team)
    await end(team, "answered", "answered")
    assert await activation.compare(team) == {"memories": "continue"}
    measured = GOOD | {"benefit": await activation.benefit(team, "memories")}
    with pytest.raises(GateShutError, match="benefit"):
        await team.capabilities.activate("memories", gates(measured, BASELINE), "operator")


async def test_pairs_are_counted_once_however_often_they_are_looked_at(team: Team) -> None:
    await isolate(team)
    await end(team, "answered", "answered", count=5)
    await activation.compare(team)
    await activation.compare(team)
    (trial,) = await ask(team, "SELECT pairs FROM trials WHERE kind = 'capability'")
    assert trial["pairs"] == 5


async def test_the_self_test_sees_a_test_fail_that_runs_with_a_capability_off(
    tmp_path: Path,
) -> None:
    test = tmp_path / "test_off.py"
    off = "os.environ.get('AGORA_CAPABILITIES__LOOP') == 'false'"
    test.write_text(f"import os\n\ndef test_it():\n    assert not {off}\n")
    assert await selftest.tested([str(test)], off=["loop"]) is False


async def test_the_self_test_asks_real_tasks_and_every_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(selftest, "TASKS", 1)
    monkeypatch.setattr(selftest, "WARM_UP", 1)
    monkeypatch.setattr(selftest, "AT_ONCE", 2)
    monkeypatch.setattr("agora.team.current", agora.team.current)  # it puts its own in place
    found = await selftest._measure(["memories"])
    assert found["answered"] == found["asked"] == 3 and found["at_once"] == 2
    assert found["pages"] is True and found["p50_ms"] > 0 and found["rss_mb"] > 0
