from typing import Any

from memory import events
from tests.conftest import ask
from tests.running import Hire, Staff, refusing

QUESTION = "What is six by seven?"


async def judge(staff: Staff, bidder: str, *outcomes: bool) -> None:
    """Tell the stream of earlier outcomes."""
    told: dict[str, Any] = {"bidder": bidder, "domain": "software", "tokens_out": 9, "prompt": 1}
    async with staff.team.database.transaction() as connection:
        for right in outcomes:
            body = told | {"right": right, "latency_s": 0.1, "cost_usd": 0.0, "fault": None}
            await events.publish(connection, "earlier", "outcome.judged", body)


async def test_the_task_is_closed_with_what_it_has_cost(hire: Hire) -> None:
    staff = hire(local=(), cloud=True)
    outcome = await staff.ask(QUESTION)
    (row,) = await ask(staff.team, "SELECT status, outcome, ended_at FROM tasks")
    assert row["status"] == "answered" and row["outcome"] == outcome and row["ended_at"]
    (act,) = await ask(staff.team, "SELECT cost_usd, tokens FROM acts")
    assert outcome["cost_usd"] == float(act["cost_usd"]) > 0 and outcome["tokens"] == act["tokens"]
    (day,) = await ask(staff.team, "SELECT spent_usd FROM budgets")
    assert day["spent_usd"] == act["cost_usd"]


async def test_the_outcome_counts_for_its_expert(hire: Hire) -> None:
    staff = hire()
    await staff.ask(QUESTION, domain="law", requires=["law"])
    (told,) = await staff.events("outcome.judged")
    assert (told["bidder"], told["domain"], told["right"]) == ("risk@qwen3:8b", "law", True)
    assert told["tokens_out"] > 0 and told["about"] == QUESTION
    standings = await staff.team.market.standings()
    assert standings["bidders"]["risk@qwen3:8b"]["right"] == 1


async def test_money_spent_in_vain_is_part_of_the_price(hire: Hire) -> None:
    staff = hire(local=(), cloud=True)
    staff.server.fail("refused")
    outcome = await staff.ask(QUESTION)
    acts = await ask(staff.team, "SELECT cost_usd FROM acts")
    assert len(acts) == 2 and outcome["status"] == "answered"
    assert abs(outcome["cost_usd"] - sum(float(act["cost_usd"]) for act in acts)) < 1e-12


async def test_a_turn_of_a_conversation_gets_its_answer(hire: Hire) -> None:
    staff = hire()
    done = await staff.say(QUESTION)
    assert [message.text for message in done["messages"]] == [QUESTION, "forty-two"]
    nobody = hire(local=())
    done = await nobody.say("What is six by eight?", on="two")
    assert done["messages"][-1].text == done["outcome"]["error"]


async def test_an_expert_whose_success_has_dropped_is_rewritten(hire: Hire) -> None:
    staff = hire(refusing)
    await judge(staff, "engineer@qwen3:8b", *[True] * 6, *[False] * 4)
    await staff.ask(QUESTION, requires=["software"])
    (drop,) = (await staff.state())["dropped"]
    assert (drop["expert"], drop["outcomes"]) == ("engineer", 11)
    assert abs(drop["success"] - 6 / 11) < 1e-9
    assert (await staff.entered())[-1] == "rewriting"
    (row,) = await ask(staff.team, "SELECT kind, subject, status, evidence FROM opportunities")
    assert (row["kind"], row["subject"], row["status"]) == ("prompt", "engineer", "open")
    assert row["evidence"]["outcomes"] == 11


async def test_a_few_failures_are_no_drop(hire: Hire) -> None:
    staff = hire(refusing)
    await judge(staff, "engineer@qwen3:8b", *[False] * 4)
    await staff.ask(QUESTION, requires=["software"])
    assert (await staff.entered())[-1] == "reflection"
    assert await ask(staff.team, "SELECT FROM opportunities") == []


async def test_each_expert_that_has_dropped_is_one_opportunity(hire: Hire) -> None:
    staff = hire(refusing)
    for expert in ("engineer", "generalist", "risk", "researcher"):
        await judge(staff, f"{expert}@qwen3:8b", *[True] * 6, *[False] * 5)
    for number in range(2):
        await staff.ask(f"What is {number} by seven?", on=str(number))
    rows = await ask(staff.team, "SELECT subject FROM opportunities")
    dropped = (await staff.state("0"))["dropped"] + (await staff.state("1"))["dropped"]
    assert len(dropped) == 4
    assert {row["subject"] for row in rows} == {one["expert"] for one in dropped}
    assert len(rows) == len({one["expert"] for one in dropped})
