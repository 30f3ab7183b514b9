import os
from pathlib import Path
from typing import Any

import pytest

import agora.team.governing
from agora.domain.contracts import Act, ActOutcome
from agora.domain.errors import RateReachedError, RefusedError, UnansweredError
from agora.domain.policy import PolicyError
from agora.domain.settings import Settings, load
from agora.team import Team, assemble
from agora.team.acting import standing_alone
from memory import decisions, policy_sets

NO_TESTS = (
    '@id("no_tests") @reason("Not today.") '
    'forbid (principal, action == Action::"run_tests", resource);'
)
ASK = NO_TESTS.replace("@reason", '@effect("ask") @reason')
TESTS = Act(kind="run_tests", subject="w")


@pytest.fixture(autouse=True)
def looking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agora.team.governing, "LOOK_S", 0.0)


@pytest.fixture
def own(settings: Settings) -> Path:
    folder = settings.folder / "policies"
    folder.mkdir(parents=True)
    return folder / "own.cedar"


async def do() -> ActOutcome:
    return ActOutcome(result={"n": 1})


async def perform(team: Team, act: Act = TESTS, name: str = "one") -> Any:
    with standing_alone(name, "run"):
        return await team.acting.perform(act, do)


async def entries(team: Team, action: str) -> list[dict[str, Any]]:
    async with team.database.transaction() as connection:
        found = await decisions.newest(connection, 50)
    return [one for one in found if one["action"] == action]


async def test_an_edit_of_the_policies_counts_without_a_restart_and_is_a_decision(
    own: Path, team: Team
) -> None:
    assert await perform(team) == {"n": 1}
    assert not await entries(team, "set_policies"), "what a first start finds is no change"
    own.write_text(NO_TESTS)
    with pytest.raises(RefusedError, match="no_tests: Not today"):
        await perform(team, name="two")
    (changed,) = await entries(team, "set_policies")
    assert changed["reasons"] == ["+ no_tests"] and changed["verdict"] == "accept"
    (decided,) = [one for one in await entries(team, "run_tests") if one["verdict"] == "deny"]
    assert decided["policy"] == changed["policy"] == team.acting.policy.hash
    own.unlink()
    assert await perform(team, name="three") == {"n": 1}
    assert (await entries(team, "set_policies"))[-1]["reasons"] == ["- no_tests"]


async def test_an_edit_that_cannot_be_read_changes_nothing_and_is_written_down_once(
    own: Path, team: Team
) -> None:
    await perform(team, name="zero")
    own.write_text(NO_TESTS)
    with pytest.raises(RefusedError):
        await perform(team)
    own.write_text(NO_TESTS.replace("resource)", "resource) when { context.nope }"))
    for name in ("two", "three"):
        with pytest.raises(RefusedError, match="no_tests"):
            await perform(team, name=name)
    _, refused = await entries(team, "set_policies")
    assert refused["verdict"] == "refuse" and "own.cedar:1:" in refused["reasons"][0]


async def test_two_processes_take_up_one_change_once(own: Path, settings: Settings) -> None:
    one, other = assemble(settings), assemble(settings)
    await perform(one)
    own.write_text(NO_TESTS)
    for team, name in ((one, "a"), (other, "b")):
        with pytest.raises(RefusedError):
            await perform(team, name=name)
    assert len(await entries(one, "set_policies")) == 1
    async with one.database.transaction() as connection:
        kept = await policy_sets.newest(connection)
    assert kept and kept["texts"]["no_tests"] == NO_TESTS
    await one.database.close()
    await other.database.close()


def test_a_policy_that_speaks_of_what_does_not_exist_stops_the_start(
    own: Path, settings: Settings
) -> None:
    own.write_text(
        f"// mine\n{NO_TESTS}\n"
        + NO_TESTS.replace("no_tests", "b").replace("resource)", "resource) when { context.nope }")
    )
    with pytest.raises(PolicyError, match=r"own\.cedar:3: .*nope"):
        assemble(settings)


async def test_a_folder_of_ones_own_may_stand_alone(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "all.cedar").write_text(
        '@id("tests") permit (principal, action == Action::"run_tests", resource);'
    )
    named = {"policy.folder": str(tmp_path / "mine"), "policy.shipped": False}
    team = assemble(
        load({}, **{"database.url": settings.database.url, "home": settings.home} | named)
    )
    assert await perform(team) == {"n": 1}
    with pytest.raises(RefusedError, match="No policy permits discover"):
        await perform(team, Act(kind="discover", subject="w"), "two")
    await team.database.close()


async def test_outside_of_a_graph_a_yes_holds_for_one_act(own: Path, team: Team) -> None:
    own.write_text(ASK)
    os.utime(own)
    with pytest.raises(UnansweredError, match="needs a person's yes: no_tests") as asked:
        await perform(team)
    with pytest.raises(UnansweredError):
        await perform(team, name="two")
    (waiting,) = await team.acting.asked()
    assert asked.value.exit_code == 3 and waiting["id"] in asked.value.hint
    assert await team.acting.hear(waiting["id"], "approve", "anna") == "approve"
    assert await team.acting.hear(waiting["id"], "reject", "bob") == "approve", "the first counts"
    assert await perform(team, name="three") == {"n": 1}
    with pytest.raises(UnansweredError):
        await perform(team, name="four")
    words = [one["verdict"] for one in await entries(team, "run_tests")]
    assert words == ["ask", "allow", "ask"]
    (said,) = await entries(team, "answer_escalation")
    assert (said["actor"], said["verdict"]) == ("anna", "approve")


async def test_a_no_is_a_no(own: Path, team: Team) -> None:
    own.write_text(ASK)
    with pytest.raises(UnansweredError):
        await perform(team)
    (waiting,) = await team.acting.asked()
    await team.acting.hear(waiting["id"], "reject", "anna", "not on a Friday")
    with pytest.raises(RefusedError, match="anna: reject not on a Friday"):
        await perform(team, name="two")


async def test_so_many_acts_and_no_more_are_begun_within_a_time(settings: Settings) -> None:
    rate = {"action": "run_tests", "subject": "w*", "per": "subject", "most": 2, "every_s": 3600}
    named = {"database.url": settings.database.url, "home": settings.home, "policy.rates": [rate]}
    one, other = assemble(load({}, **named)), assemble(load({}, **named))
    await perform(one, name="a")
    await perform(other, name="b")
    with pytest.raises(RateReachedError, match="2 in 3600 s are reached") as reached:
        await perform(one, name="c")
    assert "again in 3" in reached.value.hint and reached.value.exit_code == 4
    assert await perform(one, TESTS.but(subject="w2"), "d") == {"n": 1}, "each has its own"
    assert await perform(one, TESTS.but(subject="x"), "e") == {"n": 1}, "not counted at all"
    await one.database.close()
    await other.database.close()
