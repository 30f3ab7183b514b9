import asyncio
from typing import Any

import pytest

from agora.domain.contracts import AgentTask
from agora.domain.errors import UsageError
from memory import events
from tests.conftest import ask
from tests.running import CLOUD, Hire, Staff

QUESTION = "What is the capital of France?"


async def test_where_nobody_can_the_setting_that_would_help_is_named(hire: Hire) -> None:
    staff = hire(local=())
    outcome = await staff.ask(QUESTION)
    assert outcome["status"] == "declined" and outcome["answer"] == ""
    assert "OLLAMA_HOST or OPENAI_API_KEY" in outcome["hint"]
    assert "librarian: there is no git workspace to read" in outcome["error"]
    assert (await staff.entered())[-2:] == ["bidding", "reflection"]


async def test_a_silent_server_is_named_with_its_remedy(hire: Hire) -> None:
    staff = hire(local=(), **{"ollama.host": "127.0.0.1:9"})
    outcome = await staff.ask(QUESTION)
    assert outcome["status"] == "declined"
    assert "127.0.0.1:9 cannot be reached" in outcome["hint"] and "ollama serve" in outcome["hint"]


async def test_a_private_task_is_refused_to_the_cloud(hire: Hire) -> None:
    staff = hire(local=(), cloud=True)
    outcome = await staff.ask(QUESTION, labels=["private"])
    assert outcome["status"] == "refused" and "private_stays_local" in outcome["error"]
    assert not staff.server.exchanges


async def test_a_private_task_goes_to_the_local_model(hire: Hire) -> None:
    staff = hire(cloud=True)
    outcome = await staff.ask(QUESTION, labels=["private"])
    assert (outcome["status"], outcome["model"]) == ("answered", "qwen3:8b")


async def test_a_task_whose_budget_is_too_small_is_refused(hire: Hire) -> None:
    staff = hire(local=(), cloud=True)
    outcome = await staff.ask(QUESTION, budget_usd=0.0001)
    assert (
        outcome["status"] == "refused"
        and "the budget of this task has 0.0001 left" in outcome["error"]
    )
    assert not staff.server.exchanges and not await ask(staff.team, "SELECT FROM acts")


async def test_a_spent_day_leaves_free_models_working(hire: Hire) -> None:
    staff = hire(cloud=True, **{"budget.day_usd": 0})
    outcome = await staff.ask(QUESTION)
    assert (outcome["status"], outcome["model"]) == ("answered", "qwen3:8b")
    bids = (await staff.state())["bids"]
    assert all(bid["score"] is None for bid in bids if bid["model"] == CLOUD)


async def test_tasks_at_once_never_spend_more_than_the_day_has(hire: Hire) -> None:
    limits = {"budget.day_usd": 0.0005, "execution.answer_tokens": 100}
    staff = hire(local=(), cloud=True, **limits)
    staff.server.manner.first_token_s = 0.3
    asked = [staff.ask(f"What is {n} in Roman numerals?", on=str(n)) for n in range(12)]
    outcomes = await asyncio.gather(*asked)
    said = [outcome["status"] for outcome in outcomes]
    assert set(said) == {"answered", "refused"}, "some must have come too late"
    budget = (await ask(staff.team, "SELECT * FROM budgets WHERE name LIKE 'day:%%'"))[0]
    assert budget["reserved_usd"] == 0
    assert abs(staff.server.served().usd - float(budget["spent_usd"])) < 1e-9
    assert 0 < budget["spent_usd"] <= budget["cap_usd"]
    assert len(staff.server.exchanges) == said.count("answered")


async def test_a_deadline_keeps_out_who_would_take_longer(hire: Hire) -> None:
    staff = hire()
    experts = [one["name"] for one in await staff.team.market.roster() if one["model"]]
    for name in experts:
        await told_right(staff, name, 5, latency_s=700.0)
    outcome = await staff.ask(QUESTION, deadline_s=100)
    assert outcome["status"] == "declined" and not staff.server.exchanges
    assert "s that are left: engineer@qwen3:8b, the quickest" in outcome["error"]
    assert "--deadline" in outcome["hint"]


async def test_who_lacks_a_capability_may_not_bid(hire: Hire) -> None:
    staff = hire(local=("qwen3:8b", "gemma3:4b"))
    await staff.ask(QUESTION, requires=["vision"])
    bids = {bid["model"]: bid for bid in (await staff.state())["bids"]}
    assert bids["qwen3:8b"]["reasons"] == ["cannot do vision"]
    assert bids["gemma3:4b"]["score"] is not None


async def test_who_was_right_before_bids_higher(hire: Hire) -> None:
    market = hire().team.market
    task = AgentTask(id="t", text="Prove the theorem of algebra")
    plan = {"mix": market.mix(task)}
    assert market.mix(task)["mathematics"] > 0.5 and market.mix(task.but(domain="law")) == {
        "law": 1
    }

    async def bid_of(expert: str) -> float:
        bids = (await market.hold(task, plan, [])).auction.bids
        return next(bid.p_success for bid in bids if bid.expert == expert)

    before = await bid_of("researcher")
    told = {"bidder": "researcher@qwen3:8b", "domain": "mathematics", "right": False}
    async with market.database.transaction() as connection:
        for _ in range(20):
            await events.publish(connection, "c", "outcome.judged", told | {"tokens_out": 9})
    assert await bid_of("researcher") < before - 0.2


async def test_a_busy_model_is_expected_to_take_longer(hire: Hire) -> None:
    staff = hire()
    task = AgentTask(id="t", text=QUESTION)

    async def wait_s() -> float:
        held = (await staff.team.market.hold(task, {"mix": {"law": 1.0}}, [])).auction
        return next(bid.wait_s for bid in held.bids if bid.expert == "risk")

    idle = await wait_s()
    staff.server.fail("hang")
    working = asyncio.create_task(staff.ask(QUESTION, requires=["law"]))
    while not staff.server.exchanges:
        await asyncio.sleep(0.01)
    assert await wait_s() > idle
    working.cancel()
    await asyncio.wait({working})


async def test_at_a_ceiling_the_cheapest_that_is_left_is_asked(hire: Hire) -> None:
    staff = hire(cloud=True, **{"auction.value_usd": 100.0, "execution.answer_tokens": 100})
    await told_right(staff, f"generalist@{CLOUD}", 30)
    assert (await staff.ask(QUESTION))["model"] == CLOUD
    outcome = await staff.ask("What is the capital of Peru?", on="two", budget_usd=0.00001)
    assert (outcome["status"], outcome["model"]) == ("answered", "qwen3:8b")


async def told_right(staff: Staff, bidder: str, times: int, **more: object) -> None:
    told = {"bidder": bidder, "domain": "general", "right": True, "tokens_out": 9} | more
    async with staff.team.database.transaction() as connection:
        for _ in range(times):
            await events.publish(connection, "c", "outcome.judged", told)


@pytest.mark.parametrize(
    ("cap", "said"),
    [
        ("budget.tenants.acme.day_usd", "tenant acme today"),
        ("budget.experts.generalist.day_usd", "expert generalist today"),
        ("budget.day_tokens", "today"),
        ("budget.task_tokens", "this task"),
    ],
)
async def test_every_budget_is_kept_and_named(hire: Hire, cap: str, said: str) -> None:
    staff = hire(local=(), cloud=True, **{cap: 0})
    outcome = await staff.ask(QUESTION, tenant="acme", requires=["general"])
    assert outcome["status"] == "refused" and f"the budget of {said} has" in outcome["error"]
    assert not staff.server.exchanges


async def test_tokens_count_for_local_models_as_well(hire: Hire) -> None:
    staff = hire(**{"budget.day_tokens": 3000, "execution.answer_tokens": 1000})
    assert (await staff.ask(QUESTION))["status"] == "answered"
    (day,) = await ask(staff.team, "SELECT * FROM budgets")
    served = staff.server.served()
    assert day["spent_tokens"] == served.tokens_in + served.tokens_out
    assert day["reserved_tokens"] == 0 and day["spent_usd"] == 0


async def test_who_loses_the_race_for_a_budget_gives_way_to_somebody_cheaper(hire: Hire) -> None:
    limits = {"auction.value_usd": 100.0, "execution.answer_tokens": 100, "budget.day_usd": 0.0002}
    staff = hire(cloud=True, **limits)
    await told_right(staff, f"generalist@{CLOUD}", 30)
    staff.server.manner.first_token_s = 0.3
    asked = [staff.ask(f"What is {n} in Roman numerals?", on=str(n)) for n in range(6)]
    outcomes = await asyncio.gather(*asked)
    assert {one["status"] for one in outcomes} == {"answered"}
    assert {one["model"] for one in outcomes} == {CLOUD, "qwen3:8b"}


@pytest.mark.parametrize("rule", [{"policy": "compliance"}, {"labels": ["residency:eu"]}])
async def test_a_task_stays_where_it_may_be(hire: Hire, rule: dict[str, Any]) -> None:
    staff = hire(local=(), cloud=True)
    outcome = await staff.ask(QUESTION, **rule)
    assert outcome["status"] == "refused" and "place_and_vendor" in outcome["error"]
    assert not staff.server.exchanges


async def test_a_policy_that_nobody_knows_stops_the_task(hire: Hire) -> None:
    with pytest.raises(UsageError, match="there is no policy cheapest"):
        await hire().ask(QUESTION, policy="cheapest")


async def test_what_is_too_long_for_one_model_goes_to_one_with_more_context(hire: Hire) -> None:
    staff = hire(local=("tiny:1b", "llama3.1:8b"))  # 8,192 and 131,072 tokens
    outcome = await staff.ask("word " * 9000)
    assert (outcome["status"], outcome["model"]) == ("answered", "llama3.1:8b")
    assert {exchange.model for exchange in staff.server.exchanges} == {"llama3.1:8b"}


async def test_a_context_that_proves_too_small_leads_to_a_larger_one(hire: Hire) -> None:
    staff = hire(local=("gemma3:1b", "phi4:14b", "llama3.1:8b"))
    staff.server.fail("context")
    outcome = await staff.ask(QUESTION)
    first, second = (exchange.model for exchange in staff.server.exchanges)
    sizes = {"gemma3:1b": 32768, "phi4:14b": 16384, "llama3.1:8b": 131072}
    assert outcome["status"] == "answered" and sizes[second] > sizes[first]


@pytest.mark.parametrize("fault", ["429", "400", "context", "500"])
async def test_a_fault_of_the_server_is_no_wrong_answer(hire: Hire, fault: str) -> None:
    staff = hire(local=("llama3.1:8b", "gemma3:1b"), **{"execution.deadline_s": 1.0})
    staff.server.fail(fault, fault)
    await staff.ask(QUESTION)
    assert all(event["right"] is not False for event in await staff.events("outcome.judged"))


@pytest.mark.parametrize(("words", "is_barred"), [(10, False), (15_000, True)])
async def test_a_long_task_that_overflowed_goes_to_no_smaller_context(
    hire: Hire, words: int, is_barred: bool
) -> None:
    market = hire(cloud=True).team.market
    overflow = {"fault": "context_overflow", "error": "too long", "status": "failed"}
    tried = [{"award": {"winner": {"expert": "risk", "model": CLOUD}}, "outcome": overflow}]
    task = AgentTask(id="t", text="word " * words)
    sold = await market.hold(task, {"mix": market.mix(task)}, tried)
    said = [bid.reasons for bid in sold.auction.bids if bid.model == "qwen3:8b"]
    assert all("is too small for this task" in "".join(one) for one in said) is is_barred
