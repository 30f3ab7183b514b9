import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agora.app import making_room, runs
from agora.app.vigil import Vigil
from agora.domain.health import Check
from agora.domain.standings import WEIGHED
from agora.team import Team
from memory import events
from tests.conftest import ask
from tests.controlled import INCIDENTS, Watched
from tests.running import CLOUD, Hire, Staff

Watch = Callable[..., Watched]


@pytest.fixture
async def watch(hire: Hire) -> AsyncIterator[Watch]:
    opened: list[Any] = []

    def watch(team: Team) -> Watched:
        return Watched(team, runs.Runs({}))

    yield watch
    for one in opened:
        await one.close()


async def judged(staff: Staff, model: str, count: int, **event: Any) -> None:
    """Tell of so many calls of a model."""
    told = {"bidder": f"generalist@{model}", "domain": "general", "right": True, "cost_usd": 0.0}
    told |= {"tokens_out": 50, "latency_s": 1.0}
    async with staff.team.database.transaction() as connection:
        for number in range(count):
            await events.publish(connection, f"t{number}", "outcome.judged", told | event)


async def weight(team: Team, model: str) -> float:
    state = await team.market.standings()
    return float(state["servers"].get(model, {}).get("weight", 1.0))


async def test_where_all_is_well_nothing_happens(hire: Hire, watch: Watch) -> None:
    watched = watch(hire().team)
    assert await watched.look(4) == []
    assert await ask(watched.team, INCIDENTS) == []


async def test_a_slow_local_model_loses_weight_and_regains_it_by_probes(
    hire: Hire, watch: Watch
) -> None:
    staff = hire(cloud=True)
    watched = watch(staff.team)
    await judged(staff, "qwen3:8b", 30)
    assert await watched.look() == []
    await judged(staff, "qwen3:8b", 5, latency_s=30.0)
    assert await watched.look() == ["slow_model qwen3:8b"]
    assert await weight(staff.team, "qwen3:8b") == 0.1
    outcome = await staff.ask("What is the capital of France?")
    assert outcome["model"] == CLOUD
    assert "slow_model qwen3:8b" in await watched.look(8)
    assert await weight(staff.team, "qwen3:8b") == 1.0
    told = await watched.incident("slow_model qwen3:8b")
    assert told["verdict"] == "healed" and told["evidence"]["undone"] == ["shift_weight"]
    assert told["evidence"]["duration_s"] > 0


async def test_no_task_waits_for_a_dead_model_until_it_is_back(hire: Hire, watch: Watch) -> None:
    staff = hire(cloud=True, **{"ollama.host": "http://127.0.0.1:9"})
    watched = watch(staff.team)
    assert await watched.look() == ["dead_model qwen3:8b"]
    (local,) = [one for one in await staff.team.market.offered() if one["name"] == "qwen3:8b"]
    assert local["breaker"] == "open" and "found dead" in local["why"]
    assert await watched.look(20) == []
    assert await ask(staff.team, "SELECT FROM events WHERE kind = 'alert.raised'") == []


async def test_a_model_whose_answers_are_wrong_loses_its_weight(hire: Hire, watch: Watch) -> None:
    staff = hire(cloud=True)
    watched = watch(staff.team)
    await judged(staff, "qwen3:8b", 40)
    await judged(staff, "qwen3:8b", 15, right=False)
    assert await watched.look() == ["lying_model qwen3:8b"]
    assert await weight(staff.team, "qwen3:8b") == 0.1


async def test_a_restart_of_the_database_is_an_incident_that_ends_by_itself(
    hire: Hire, watch: Watch
) -> None:
    watched = watch(hire().team)
    await watched.look()
    before = watched.vigil.detecting._started
    assert before
    watched.vigil.detecting._started = before - timedelta(hours=1)
    assert await watched.look(2) == ["database_restarted postgresql"] * 2
    told = await watched.incident("database_restarted postgresql")
    assert told["status"] == "closed" and watched.remedies(told) == ["resume_runs"]


async def test_what_happens_while_the_database_is_away_is_written_down_when_it_is_back(
    hire: Hire, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = hire().team
    watched = watch(team)
    await watched.look()
    there = team.database.postgres

    class Away:
        async def url(self) -> str:
            return "postgresql://nobody@127.0.0.1:9/none"

        async def stop(self) -> bool:
            return False

    await team.database.close()
    object.__setattr__(team.database, "postgres", Away())
    assert "database_gone postgresql" in await watched.look()
    await team.database.close()
    object.__setattr__(team.database, "postgres", there)
    assert "database_gone postgresql" in await watched.look(4)
    told = await watched.incident("database_gone postgresql")
    assert told["status"] == "closed" and "restart_pool" in watched.remedies(told)


async def test_a_corrupt_index_is_computed_again(hire: Hire, watch: Watch) -> None:
    team = hire().team
    watched = watch(team)
    await watched.look(3)
    await team.indexing.close()
    spoil(team.settings.folder / "index")
    assert "index_corrupt index" in await watched.look(4)
    told = await watched.incident("index_corrupt index")
    assert watched.remedies(told) == ["rebuild_index"]
    assert "error" not in told["evidence"]["remedies"][0]


def spoil(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_bytes(b"this is no index" * 64)


async def test_a_clock_that_jumps_makes_nobody_look_dead(hire: Hire, watch: Watch) -> None:
    team = hire().team
    watched = watch(team)
    await watched.look()
    await beat(team, "process:other-1")
    watched.time.now += timedelta(hours=2)
    assert await watched.look(1) == ["clock_jumped clock"]
    assert await watched.look(1) == ["clock_jumped clock"]
    told = await watched.incident("clock_jumped clock")
    assert told["verdict"] == "healed" and watched.remedies(told) == ["trust_no_age"]
    assert not await ask(team, INCIDENTS + " AND subject LIKE 'process_lost%%'")


async def beat(team: Team, name: str) -> None:
    await team.monitoring.keep([Check(name, value=100.0, unit="MiB")])


async def test_a_process_that_is_silent_is_missed_within_a_minute(hire: Hire, watch: Watch) -> None:
    team = hire().team
    watched = watch(team)
    await beat(team, "process:other-1")
    assert await watched.look(2) == []
    assert await watched.look(1) == ["process_lost other-1"]
    assert await watched.look(1) == ["process_lost other-1"]
    told = await watched.incident("process_lost other-1")
    assert told["verdict"] == "healed" and watched.remedies(told) == ["take_over"]


async def test_memory_that_is_short_sheds_load_until_it_is_not(hire: Hire, watch: Watch) -> None:
    staff = hire(**{"health.process_mb": 1.0})
    watched = watch(staff.team)
    (first,) = await watched.look()
    assert first.startswith("memory_short")
    await watched.look(2)
    assert not staff.team.capabilities.has("scout")
    limits = staff.team.monitoring.limits.model_copy(update={"process_mb": 9e9})
    enough = staff.team.settings.model_copy(update={"health": limits})
    staff.team.monitoring.settings = enough
    assert await watched.look(3) == [first]
    assert staff.team.capabilities.has("scout")
    assert watched.remedies(await watched.incident(first)) == ["free_memory", "shed_load"]


async def test_without_healing_faults_are_only_seen_and_told(hire: Hire, watch: Watch) -> None:
    staff = hire(**{"ollama.host": "http://127.0.0.1:9", "capabilities.healing": False})
    watched = watch(staff.team)
    await watched.look()
    told = await watched.incident("dead_model qwen3:8b")
    assert told["evidence"]["remedies"] == []
    (alert,) = await ask(staff.team, "SELECT body FROM events WHERE kind = 'alert.raised'")
    assert "healing is off" in alert["body"]["text"]


async def test_a_fault_that_comes_back_too_often_is_told_to_a_person(
    hire: Hire, watch: Watch
) -> None:
    team = hire().team
    watched = watch(team)
    await watched.look()
    for _ in range(6):
        watched.time.now += timedelta(seconds=100)
        await watched.look(2)
    (alert,) = await ask(team, "SELECT body FROM events WHERE kind = 'alert.raised'")
    assert "come back 5 times" in alert["body"]["text"]


async def test_another_vigil_goes_on_with_an_incident(hire: Hire, watch: Watch) -> None:
    staff = hire(cloud=True)
    first = watch(staff.team)
    await judged(staff, "qwen3:8b", 30)
    await judged(staff, "qwen3:8b", 5, latency_s=30.0)
    await first.look()
    await ask(staff.team, "UPDATE cursors SET expires_at = '2000-01-01' RETURNING 1")
    second = watch(staff.team)
    assert "slow_model qwen3:8b" in await second.look(8)
    assert await weight(staff.team, "qwen3:8b") == 1.0


async def test_the_reserve_is_kept_and_let_go_for_a_full_disk(hire: Hire) -> None:
    staff = hire(**{"health.reserve_mb": 1})
    place = staff.team.settings.folder / "reserve"
    place.parent.mkdir(parents=True, exist_ok=True)
    await making_room.reserve(staff.team)
    assert place.stat().st_size == 2**20
    async with runs.opened() as running:
        said = await making_room.make(staff.team, running, "disk")
    assert "1 MiB of reserve" in said and not place.exists()


async def test_a_weight_of_healing_is_of_no_avail_for_the_last_usable_model(
    hire: Hire, watch: Watch
) -> None:
    staff = hire()
    watched = watch(staff.team)
    await watched.vigil.remedies.hold_open("qwen3:8b")
    await watched.vigil.remedies.weigh_down("qwen3:8b")
    assert (await staff.ask("What is the capital of France?"))["status"] == "answered"
    told = await ask(staff.team, "SELECT FROM events WHERE kind = %s", WEIGHED)
    assert len(told) == 2


async def test_a_worker_says_that_it_lives_and_that_it_leaves(team: Team) -> None:
    vigil = Vigil.of(team, runs.Runs({}))
    task = asyncio.create_task(vigil.run())
    async with asyncio.timeout(60):
        while not await ask(team, "SELECT FROM beats WHERE kind = 'process'"):
            await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not await ask(team, "SELECT FROM beats WHERE kind = 'process'")
