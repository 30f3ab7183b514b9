import asyncio

from agora.domain.contracts import AgentTask
from memory import events
from tests.conftest import ask
from tests.running import CLOUD, Hire

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
    assert outcome["status"] == "refused" and "the budget of this task has 0.0001 left" in outcome["error"]
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
    outcome = await staff.ask(QUESTION, deadline_s=1)
    assert outcome["status"] == "declined" and "the deadline is 1 s" in outcome["error"]


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
    staff.server.manner.first_token_s = 0.5
    working = asyncio.create_task(staff.ask(QUESTION, requires=["law"]))
    while not staff.server.exchanges:
        await asyncio.sleep(0.01)
    assert await wait_s() > idle
    await working
