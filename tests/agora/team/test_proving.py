import asyncio

import pytest

from agora.domain.errors import UsageError
from agora.team import Team
from tests.conftest import ask


async def pairs(team: Team, trial: str, count: int, incumbent: bool, candidate: bool) -> str:
    start = len(await team.proving.outcomes(trial))
    verdict = "continue"
    for number in range(start, start + count):
        verdict = await team.proving.pair(trial, f"task{number}", incumbent, candidate)
    return verdict


async def test_a_better_candidate_is_promoted_and_told_of_once(team: Team) -> None:
    trial = await team.proving.open("plan", "code", {"way": "split"})
    assert await pairs(team, trial, 6, False, True) == "continue"
    assert await pairs(team, trial, 1, False, True) == "promote"
    assert await pairs(team, trial, 3, True, False) == "promote", "the verdict stays"
    row = await team.proving.find(trial)
    assert row["status"] == "promoted"
    assert (row["wins"], row["losses"]) == (7, 0), "no pair counts after the end"
    told = await ask(team, "SELECT body FROM events WHERE kind = 'trial.promoted'")
    assert [event["body"]["trial"] for event in told] == [trial]
    assert await team.proving.living("plan", "code") is None


async def test_a_worse_candidate_is_dropped(team: Team) -> None:
    trial = await team.proving.open("prompt", "engineer", {})
    assert await pairs(team, trial, 4, True, False) == "drop"
    assert (await team.proving.find(trial))["status"] == "dropped"
    assert await team.proving.open("prompt", "engineer", {}) != trial, "another may challenge"


async def test_a_task_counts_once_and_of_two_openers_one_trial_comes(team: Team) -> None:
    first, second = await asyncio.gather(
        *(team.proving.open("plan", "code", {"by": by}) for by in "ab")
    )
    assert first == second
    await asyncio.gather(*(team.proving.pair(first, "task", False, True) for _ in range(4)))
    row = await team.proving.living("plan", "code")
    assert row and (row["wins"], row["pairs"]) == (1, 1)


async def test_a_promoted_candidate_whose_success_drops_raises_an_alarm(team: Team) -> None:
    trial = await team.proving.open("synthesis", "law", {})
    assert not await team.proving.watch(trial, "early", False), "nothing is watched in a trial"
    await pairs(team, trial, 7, False, True)
    alarms = [await team.proving.watch(trial, f"later{n}", False) for n in range(12)]
    assert not alarms[0] and alarms[-1]
    assert await team.proving.watch(trial, "later0", True), "a task counts once"
    assert await team.proving.end(trial, "reverted")
    assert not await team.proving.end(trial, "reverted")


async def test_a_trial_that_nobody_knows_is_named(team: Team) -> None:
    with pytest.raises(UsageError, match="no trial gone"):
        await team.proving.pair("gone", "task", True, True)
