import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agora.domain.budgets import Budget
from agora.domain.contracts import Act, ActOutcome, Case, Json
from agora.domain.doors import require_act
from agora.domain.errors import (
    AgoraError,
    BudgetSpentError,
    ChildKilledError,
    ClaimLostError,
    RefusedError,
    UndecidableActError,
)
from agora.domain.models import Spent
from agora.team import Team
from agora.team.acting import LIVES, case, standing_alone
from memory import acts, claims, decisions
from memory.claims import Claim
from tests.conftest import ask
from tests.locking import crossing

ASK = Act(kind="ask_model", subject="m", actor="risk@m", facts={"residency": "local"})
PAID = ASK.but(cost_usd=0.5, budgets=("day",))
LOCK_BUDGET = "SELECT FROM budgets WHERE name = %s FOR UPDATE"


class Doing:
    """Counts how often something was really done, and gives its number."""

    def __init__(self, cost_usd: float = 0.0) -> None:
        self.times, self.cost_usd = 0, cost_usd

    async def __call__(self) -> ActOutcome:
        require_act("ask_model")
        self.times += 1
        return ActOutcome(result={"n": self.times}, cost_usd=self.cost_usd, tokens=3)


@pytest.fixture
async def here(team: Team) -> Case:
    wanted = Claim("ledger", "", "tests", "", timedelta(seconds=30))
    async with team.database.transaction() as connection:
        token = await claims.claim(connection, wanted, "ledger", {})
        await acts.open_budgets(connection, [Budget(name="day", cap_usd=1.0)])
    here = Case("ledger", "ledger", "tests", token)
    case.set(here)
    return here


@pytest.fixture
def perform(team: Team, here: Case) -> Callable[..., Awaitable[Json]]:
    async def perform(act: Act, *how: Any, **options: Any) -> Json:
        case.set(here)  # a fixture's context is not the test's
        return await team.acting.perform(act, *how, **options)

    return perform


Perform = Callable[..., Awaitable[Json]]


async def die() -> ActOutcome:
    raise asyncio.CancelledError


async def budget(team: Team) -> tuple[float, float]:
    (row,) = await ask(team, "SELECT reserved_usd, spent_usd FROM budgets WHERE name = 'day'")
    return float(row["reserved_usd"]), float(row["spent_usd"])


async def test_a_finished_act_gives_its_stored_result(team: Team, perform: Perform) -> None:
    do = Doing()
    assert [await perform(ASK, do) for _ in range(2)] == 2 * [{"n": 1}] and do.times == 1
    assert await perform(ASK.but(ordinal=1), do) == {"n": 2}


async def test_what_was_done_is_booked_even_where_the_database_breaks_the_booking(
    team: Team, perform: Perform
) -> None:
    act, do = PAID.but(budgets=("day", "task")), Doing(cost_usd=0.2)
    async with team.database.transaction() as connection:
        await acts.open_budgets(connection, [Budget(name="task", cap_usd=1.0)])
    doing, may_end = asyncio.Event(), asyncio.Event()

    async def slowly() -> ActOutcome:
        doing.set()
        await may_end.wait()
        return await do()

    performing = asyncio.ensure_future(perform(act, slowly))
    await doing.wait()
    async with crossing(team, LOCK_BUDGET, "task", "day"):
        may_end.set()
    assert await performing == {"n": 1} == await perform(act, do) and do.times == 1
    assert await budget(team) == (0, 0.2)


async def test_an_act_is_decided_reserved_done_and_told_in_this_order(
    team: Team, perform: Perform
) -> None:
    async def look() -> ActOutcome:
        async with team.database.transaction() as connection:
            (decided,) = await decisions.newest(connection, 9)
        (row,) = await ask(team, "SELECT status FROM acts")
        seen = {"verdict": decided["verdict"], "status": row["status"]}
        return ActOutcome(result=seen | {"reserved": (await budget(team))[0]}, cost_usd=0.2)

    assert await perform(PAID, look) == {"verdict": "allow", "status": "open", "reserved": 0.5}
    assert await budget(team) == (0, 0.2)
    (told,) = await ask(team, "SELECT body FROM events WHERE kind = 'act.ask_model'")
    assert told["body"]["is_done"] and told["body"]["how"] == "done"


async def test_an_open_act_that_took_effect_is_not_done_again(team: Team, perform: Perform) -> None:
    async def it_took_effect() -> ActOutcome:
        return ActOutcome(result={"n": 77}, cost_usd=0.1)

    with pytest.raises(asyncio.CancelledError):
        await perform(PAID, die)
    assert await budget(team) == (0.5, 0)
    do = Doing()
    assert await perform(PAID, do, it_took_effect) == {"n": 77} and do.times == 0
    assert await perform(PAID, do) == {"n": 77} and await budget(team) == (0, 0.1)


async def test_an_open_act_that_did_not_is_paid_for_and_done_again(
    team: Team, perform: Perform
) -> None:
    with pytest.raises(asyncio.CancelledError):
        await perform(PAID, die)
    assert await perform(PAID, Doing(0.1)) == {"n": 1}
    assert await budget(team) == (0, 0.6)
    (row,) = await ask(team, "SELECT attempt, status FROM acts")
    assert (row["attempt"], row["status"]) == (2, "done")


async def killed() -> ActOutcome:
    raise ChildKilledError("git was killed")


async def test_an_act_whose_child_is_killed_is_judged_like_that_of_a_dead_holder(
    team: Team, perform: Perform
) -> None:
    async def it_took_effect() -> ActOutcome:
        return ActOutcome(result={"n": 77}, cost_usd=0.1)

    assert await perform(PAID, killed, it_took_effect) == {"n": 77}
    assert await budget(team) == (0, 0.1)


async def test_an_act_whose_children_are_killed_is_done_again_but_not_for_ever(
    team: Team, perform: Perform
) -> None:
    lives, do = iter([killed] * (LIVES - 1)), Doing()
    assert await perform(ASK, lambda: next(lives, do)()) == {"n": 1}
    times = 0

    async def counted() -> ActOutcome:
        nonlocal times
        times += 1
        return await killed()

    other = ASK.but(ordinal=1)
    with pytest.raises(ChildKilledError):
        await perform(other, counted)
    assert times == LIVES
    assert await perform(other, do) == {"n": 2}, "nobody is barred from trying again"


async def test_an_open_act_of_which_nobody_can_tell_stays_open(
    team: Team, perform: Perform
) -> None:
    async def nobody_can_tell() -> ActOutcome | None:
        raise UndecidableActError("look at it")

    do = Doing()
    with pytest.raises(asyncio.CancelledError):
        await perform(PAID, die)
    with pytest.raises(UndecidableActError):
        await perform(PAID, do, nobody_can_tell)
    assert do.times == 0 and await budget(team) == (0.5, 0)


async def test_a_fault_costs_what_was_served_by_then(team: Team, perform: Perform) -> None:
    class FaultError(AgoraError):
        spent = Spent(tokens_in=5, tokens_out=2, cost_usd=0.05)

    async def fail() -> ActOutcome:
        raise FaultError("cut short")

    with pytest.raises(FaultError):
        await perform(PAID, fail)
    assert await budget(team) == (0, 0.05)
    (told,) = await ask(team, "SELECT body FROM events WHERE kind = 'act.ask_model'")
    assert not told["body"]["is_done"] and told["body"]["error"] == "cut short"
    assert await perform(PAID, Doing(0.1)) == {"n": 1}, "it may be tried again"


async def test_what_fails_without_a_word_costs_all_that_was_reserved(
    team: Team, perform: Perform
) -> None:
    async def fail() -> ActOutcome:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await perform(PAID, fail)
    assert await budget(team) == (0, 0.5)


async def test_many_at_once_never_pass_the_cap(team: Team, perform: Perform) -> None:
    do = Doing(0.1)
    wanted = [PAID.but(cost_usd=0.2, ordinal=n) for n in range(20)]
    given = await asyncio.gather(*(perform(act, do) for act in wanted), return_exceptions=True)
    refused = [one for one in given if isinstance(one, BudgetSpentError)]
    reserved, spent = await budget(team)
    assert do.times == 20 - len(refused) and 5 <= do.times <= 9
    assert reserved == 0 and spent == pytest.approx(0.1 * do.times) and spent <= 1.0


async def test_what_the_policy_denies_is_recorded_and_not_done(
    team: Team, perform: Perform
) -> None:
    do = Doing()
    denied = ASK.but(facts={"residency": "cloud", "labels": ["private"]})
    with pytest.raises(RefusedError, match="private_stays_local"):
        await perform(denied, do)
    async with team.database.transaction() as connection:
        (decided,) = await decisions.newest(connection, 9)
    assert do.times == 0 and decided["verdict"] == "deny"
    assert await ask(team, "SELECT FROM acts") == []


async def test_a_run_that_has_lost_its_thread_does_nothing(team: Team, here: Case) -> None:
    do = Doing()
    assert here.token is not None
    case.set(replace(here, token=here.token - 1))
    with pytest.raises(ClaimLostError):
        await team.acting.perform(ASK, do)
    assert do.times == 0 and await ask(team, "SELECT FROM acts") == []


async def test_what_is_lost_while_it_is_done_does_not_count(team: Team, perform: Perform) -> None:
    async def be_overtaken() -> ActOutcome:
        await ask(team, "UPDATE claims SET token = token + 1 RETURNING 1")
        return ActOutcome(result={})

    with pytest.raises(ClaimLostError):
        await perform(ASK, be_overtaken)
    (row,) = await ask(team, "SELECT status FROM acts")
    assert row["status"] == "open", "whoever took over will judge it"


async def test_reading_for_its_own_sake_is_done_each_time(team: Team, perform: Perform) -> None:
    do = Doing()
    assert [await perform(ASK, do, only_reads=True) for _ in range(2)] == [{"n": 1}, {"n": 2}]


async def test_outside_of_a_graph_a_case_stands_alone(team: Team) -> None:
    before = case.get(None)
    with standing_alone("alone", "run") as here:
        assert (here.token, here.thread_id) == (None, "")
        assert await team.acting.perform(ASK, Doing()) == {"n": 1}
    assert case.get(None) == before
