import asyncio
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agora.app import metrics, probes
from agora.domain.settings import load
from agora.team import Team, assemble
from agora.team.lag import Lag
from tests.conftest import ask
from tests.running import Hire


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "PATIENCE_S", 60.0)  # on a busy machine


async def test_what_works_is_well_and_takes_tasks(hire: Hire) -> None:
    staff = hire()
    told = await probes.health(staff.team)
    assert told["status"] in ("pass", "warn")
    assert told["checks"]["store:postgresql"][0]["status"] == "pass"
    assert told["checks"]["model:qwen3:8b"][0]["status"] == "pass"
    assert await probes.is_ready(staff.team)


async def test_without_a_database_nothing_is_ready_and_the_report_says_why() -> None:
    gone = assemble(load({}, **{"database.url": "postgresql://nobody@127.0.0.1:9/none"}))
    told = await probes.health(gone)
    assert told["status"] == "fail" and "store:postgresql" in told["output"]
    assert not await probes.is_ready(gone)
    await gone.database.close()


async def test_without_any_model_the_built_in_experts_make_it_ready(team: Team) -> None:
    assert await probes.is_ready(team)


async def test_where_no_model_server_answers_no_task_is_taken(hire: Hire) -> None:
    staff = hire(**{"ollama.host": "http://127.0.0.1:9", "ollama.models": None})
    assert not await probes.is_ready(staff.team)
    told = await probes.health(staff.team)
    assert told["status"] == "warn" and "model:" in told["output"]


async def test_a_server_of_named_models_is_asked_whether_it_is_there(hire: Hire) -> None:
    staff = hire(**{"ollama.host": "http://127.0.0.1:9"})
    checks = (await probes.health(staff.team))["checks"]
    assert checks["model:qwen3:8b"][0]["status"] == "fail"


async def test_the_history_keeps_what_was_measured(team: Team) -> None:
    checks = await team.monitoring.own()
    await team.monitoring.keep(checks)
    found = await probes.extremes(team, 1.0)
    assert {one.name for one in checks} == set(found)
    assert await team.monitoring.prune() == 0


async def test_metrics_count_what_records_say(hire: Hire) -> None:
    staff = hire()
    await staff.ask("What is the capital of France?")
    text = (await metrics.metrics(staff.team)).decode()
    found = {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert all(name.startswith("agora_") for name, _ in found)
    assert found["agora_tasks", ("answered",)] == 1
    (row,) = await ask(staff.team, "SELECT count(*) AS n FROM acts WHERE kind = 'ask_model'")
    assert found["agora_acts_total", ("ask_model", "done")] == row["n"]
    assert found["agora_model_breaker", ("qwen3:8b",)] == 0


async def test_a_blocked_event_loop_says_where_it_stood(team: Team) -> None:
    lag = team.monitoring.lag
    lag.watch()
    try:
        await asyncio.sleep(0.3)
        stand_still(lag)
        lag_s, where = lag.taken()
    finally:
        lag.close()
    assert lag_s >= 1.0 and "stand_still" in where


def stand_still(lag: Lag) -> None:
    """Block the loop until that is noted; on a busy machine the one who looks waits, too."""
    ends_at = time.monotonic() + 60
    while "stand_still" not in lag._where and time.monotonic() < ends_at:
        sum(range(10_000))
