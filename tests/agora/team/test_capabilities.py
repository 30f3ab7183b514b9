import pytest

from agora.domain.errors import UsageError
from agora.domain.phases import CAPABILITIES, gates
from agora.team import Team
from agora.team.capabilities import GateShutError
from tests.agora.domain.test_phases import BASELINE, GOOD
from tests.conftest import ask
from tests.running import Hire

OPEN = gates(GOOD, BASELINE)
SHUT = gates(GOOD | {"answered": 0}, BASELINE)


async def boom() -> str:
    raise ZeroDivisionError("in its own code")


async def fine() -> str:
    return "better"


async def test_with_every_capability_off_a_task_is_answered_by_the_core(hire: Hire) -> None:
    off = {f"capabilities.{name}": False for name in CAPABILITIES}
    staff = hire(**off)
    first = await staff.ask("What is the capital of France?")
    again = await staff.ask("What is the capital of France?", on="two")
    assert first["status"] == again["status"] == "answered" and not again["cached"]
    state = await staff.state()
    assert state["context"]["pulse"] == "" and state["context"]["memories"] == []


async def test_each_capability_can_be_dormant_alone(hire: Hire) -> None:
    staff = hire()
    await staff.team.capabilities.deactivate("cache", "try it without", "operator")
    await staff.ask("What is the capital of France?")
    again = await staff.ask("What is the capital of France?", on="two")
    assert not again["cached"]
    for _ in range(2):
        await staff.team.capabilities.activate("cache", OPEN, "operator")
    await staff.ask("What is the capital of Spain?", on="three")
    served = await staff.ask("What is the capital of Spain?", on="four")
    assert served["cached"]


async def test_it_rises_through_its_gates_one_phase_at_a_time(team: Team) -> None:
    capabilities = team.capabilities
    await capabilities.deactivate("pulse", "begin anew", "operator")
    with pytest.raises(GateShutError, match="errors"):
        await capabilities.activate("pulse", SHUT, "operator")
    assert capabilities.phase("pulse") == "dormant" and not capabilities.has("pulse", "one")
    phases = [await capabilities.activate("pulse", OPEN, "operator") for _ in range(3)]
    assert phases == ["isolated", "active", "hybrid"]
    with pytest.raises(UsageError):
        await capabilities.activate("pulse", OPEN, "operator")
    moved = await ask(team, "SELECT body FROM events WHERE kind = 'capability.moved'")
    assert len(moved) == 4


async def test_what_a_capability_dies_of_costs_the_task_nothing(team: Team) -> None:
    assert await team.capabilities.attempt("pulse", "one", boom, "core") == "core"
    assert await team.capabilities.attempt("pulse", "two", fine, "core") == "better"
    assert (await team.capabilities.listed())[0]["failures"] == 0


async def test_after_three_failures_in_a_row_it_is_paused_alone(team: Team) -> None:
    for number in range(3):
        await team.capabilities.attempt("pulse", str(number), boom, "core")
    told = {one["name"]: one for one in await team.capabilities.listed()}
    assert not told["pulse"]["is_on"] and "ZeroDivisionError" in told["pulse"]["why_not"]
    assert all(one["is_on"] for name, one in told.items() if name != "pulse")
    assert await team.capabilities.attempt("pulse", "four", fine, "core") == "core"


async def test_three_failed_ones_stop_every_activation(team: Team) -> None:
    await team.capabilities.deactivate("scout", "begin anew", "operator")
    for name in ("pulse", "memories", "planning"):
        for number in range(3):
            await team.capabilities.attempt(name, str(number), boom, "core")
    with pytest.raises(GateShutError, match="pulse"):
        await team.capabilities.activate("scout", OPEN, "operator")
    await team.capabilities.deactivate("pulse", "known now", "operator")
    assert await team.capabilities.activate("scout", OPEN, "operator") == "isolated"


async def test_overload_lets_the_heavy_ones_rest_until_it_is_over(team: Team) -> None:
    resting = await team.capabilities.shed("memory is short")
    assert resting[0] == "scout" and not team.capabilities.has("scout")
    assert team.capabilities.has("cache") and team.capabilities.has("healing")
    assert await team.capabilities.shed("memory is short") == []
    assert {*await team.capabilities.unshed()} == {*resting}
    assert team.capabilities.has("scout")


async def test_one_that_has_failed_is_not_woken_by_the_end_of_an_overload(team: Team) -> None:
    for number in range(3):
        await team.capabilities.attempt("pulse", str(number), boom, "core")
    await team.capabilities.shed("memory is short")
    assert "pulse" not in await team.capabilities.unshed()


async def test_other_processes_learn_of_it(team: Team, hire: Hire) -> None:
    other = hire().team.capabilities
    await other.refresh()
    await team.capabilities.pause("cache", "asked")
    await other.read()
    assert not other.has("cache")
