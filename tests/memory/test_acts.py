import asyncio
from dataclasses import replace

from agora.domain.budgets import Budget, Left
from agora.domain.contracts import Act, ActOutcome, Case
from agora.domain.models import Spent
from agora.team import Team
from memory import acts
from memory.database import Row
from tests.conftest import ask

HERE = Case("case", "thread", "stage", None)
PAID = Act(kind="ask_model", subject="m", actor="e@m", cost_usd=0.5, budgets=("day", "task"))
DONE = ActOutcome(result={"n": 1}, cost_usd=0.2, tokens=7)


async def begun(team: Team, act: Act = PAID, **caps: float) -> list[str]:
    """Reserve and begin as an act does; return the budgets that have too little."""
    async with team.database.transaction() as connection:
        known = caps or {"day": 1.0, "task": 1.0}
        await acts.open_budgets(connection, [Budget(name=n, cap_usd=c) for n, c in known.items()])
    async with team.database.transaction() as connection:
        if short := await acts.reserve(connection, act):
            await connection.rollback()
            return short
        assert await acts.begin(connection, HERE, act)
        return []


async def budget(team: Team, name: str = "day") -> tuple[float, float]:
    (row,) = await ask(team, "SELECT reserved_usd, spent_usd FROM budgets WHERE name = %s", name)
    return float(row["reserved_usd"]), float(row["spent_usd"])


async def act_of(team: Team) -> Row:
    (row,) = await ask(team, "SELECT * FROM acts")
    return row


async def test_a_settled_act_gives_its_reservation_back_and_books_its_cost(team: Team) -> None:
    assert await begun(team) == [] and await budget(team) == (0.5, 0)
    async with team.database.transaction() as connection:
        await acts.settle(connection, PAID.key(HERE), DONE)
    assert await budget(team) == await budget(team, "task") == (0, 0.2)
    row = await act_of(team)
    assert (row["status"], row["result"], row["tokens"]) == ("done", {"n": 1}, 7)
    async with team.database.transaction() as connection:
        await acts.settle(connection, PAID.key(HERE), DONE)
    assert await budget(team) == (0, 0.2), "settled once, however often it is said"


async def test_a_failure_costs_what_it_knows_of_or_all_that_was_reserved(team: Team) -> None:
    await begun(team)
    spent = Spent(tokens_in=3, tokens_out=2, cost_usd=0.1)
    async with team.database.transaction() as connection:
        await acts.settle(connection, PAID.key(HERE), None, spent)
    assert await budget(team) == (0, 0.1) and (await act_of(team))["tokens"] == 5

    await begun(team)
    async with team.database.transaction() as connection:
        await acts.settle(connection, PAID.key(HERE), None)
    assert await budget(team) == (0, 0.6)
    row = await act_of(team)
    assert (row["status"], row["attempt"], float(row["cost_usd"])) == ("failed", 2, 0.6)


async def test_an_act_that_is_open_or_done_is_not_begun_again(team: Team) -> None:
    await begun(team)
    async with team.database.transaction() as connection:
        assert not await acts.begin(connection, HERE, PAID)
        await acts.settle(connection, PAID.key(HERE), DONE)
        assert not await acts.begin(connection, HERE, PAID)
        assert await acts.begin(connection, replace(HERE, round=1), PAID)


async def test_the_tightest_budget_decides_and_is_named(team: Team) -> None:
    assert await begun(team, day=9.0, task=0.4) == ["task"]
    assert await begun(team, PAID.but(budgets=("day", "nobody's")), day=9.0) == ["nobody's"]
    async with team.database.transaction() as connection:
        _, left = await acts.outlook(connection, ["day", "task", "nobody's"])
        assert left == {"day": Left(usd=9.0), "task": Left(usd=0.4)}


async def test_tokens_are_reserved_and_settled_like_money(team: Team) -> None:
    act = PAID.but(tokens=60, cost_usd=0, budgets=("day",))
    async with team.database.transaction() as connection:
        await acts.open_budgets(connection, [Budget(name="day", cap_tokens=100)])
    async with team.database.transaction() as connection:
        assert await acts.reserve(connection, act) == [] and await acts.begin(connection, HERE, act)
        assert await acts.reserve(connection, act.but(ordinal=1)) == ["day"]
        await acts.settle(connection, act.key(HERE), DONE)
        assert (await acts.outlook(connection, ["day"]))[1] == {"day": Left(tokens=93)}


async def test_what_no_server_has_counted_is_marked_as_an_estimate(team: Team) -> None:
    await begun(team)
    guessed = Spent(tokens_in=3, tokens_out=2, cost_usd=0.1, is_estimate=True)
    async with team.database.transaction() as connection:
        await acts.settle(connection, PAID.key(HERE), None, guessed)
    assert (await act_of(team))["is_estimate"]


async def test_what_was_never_asked_is_no_estimate(team: Team) -> None:
    await begun(team)
    nothing = Spent(is_estimate=True)
    async with team.database.transaction() as connection:
        await acts.settle(connection, PAID.key(HERE), None, nothing)
    assert not (await act_of(team))["is_estimate"]


async def test_what_costs_nothing_needs_no_money(team: Team) -> None:
    assert await begun(team, PAID.but(cost_usd=0), day=0.0, task=0.0) == []


async def test_many_at_once_never_pass_the_cap(team: Team) -> None:
    wanted = [PAID.but(cost_usd=0.01, ordinal=n, budgets=("b", "a")) for n in range(20)]
    wanted = [act.but(budgets=act.budgets[:: 1 if act.ordinal % 2 else -1]) for act in wanted]
    async with team.database.transaction() as connection:
        caps = [Budget(name="a", cap_usd=0.05), Budget(name="b", cap_usd=1.0)]
        await acts.open_budgets(connection, caps)

    async def reserve(act: Act) -> list[str]:
        async with team.database.transaction() as connection:
            if short := await acts.reserve(connection, act):
                await connection.rollback()
            return short

    given = await asyncio.gather(*map(reserve, wanted))
    assert given.count([]) == 5 and given.count(["a"]) == 15
    assert await budget(team, "a") == await budget(team, "b") == (0.05, 0)


async def test_many_that_settle_at_once_are_all_booked(team: Team) -> None:
    done = [PAID.but(ordinal=number, cost_usd=0.02) for number in range(20)]
    for act in done:
        assert await begun(team, act) == []

    async def settle(act: Act) -> None:
        async with team.database.transaction() as connection:
            await acts.settle(connection, act.key(HERE), DONE.but(cost_usd=0.01))

    await asyncio.gather(*map(settle, done))
    assert await budget(team, "day") == await budget(team, "task") == (0, 0.2)


async def test_sums_of_money_come_out_even(team: Team) -> None:
    for ordinal in range(10):
        act = PAID.but(cost_usd=0.1, ordinal=ordinal)
        assert await begun(team, act) == []
    assert await begun(team, PAID.but(cost_usd=0.0001, ordinal=99)) == ["day", "task"]


async def test_what_a_case_has_cost_and_who_is_busy(team: Team) -> None:
    await begun(team)
    await begun(team, PAID.but(ordinal=1, actor="other@m", cost_usd=0.1))
    await begun(team, PAID.but(ordinal=2, subject="n", actor="e@n", cost_usd=0.1))
    async with team.database.transaction() as connection:
        busy, _ = await acts.outlook(connection)
        assert busy == {"m": 2, "n": 1}, "experts share a model's server"
        await acts.settle(connection, PAID.key(HERE), DONE)
        assert await acts.outlook(connection) == ({"m": 1, "n": 1}, {})
        spent = {"cost_usd": 0.2, "tokens": 7, "is_estimate": False}
        assert await acts.spent(connection, "case") == spent
        nothing = {"cost_usd": 0.0, "tokens": 0, "is_estimate": False}
        assert await acts.spent(connection, "another") == nothing
    await ask(team, "UPDATE acts SET began_at = began_at - interval '1 hour' RETURNING 1")
    async with team.database.transaction() as connection:
        assert await acts.outlook(connection) == ({}, {}), "whoever began it has died long ago"
