import asyncio
import json
from typing import Any

import pytest

from nodes.tracing import flush
from tests.langsmith_server import Receiver, receiver, traced
from tests.running import Hire

__all__ = ["receiver", "traced"]


@pytest.mark.usefixtures("traced")
async def test_a_trace_shows_every_term_of_every_bid(hire: Hire, receiver: Receiver) -> None:
    staff = hire()
    outcome = await staff.ask("What is the capital of France?")
    assert outcome["status"] == "answered"
    told = receiver.metadata("agora.bidding")
    state = await staff.state()
    assert told["bids"] == json.loads(json.dumps(state["bids"])) and told["bids"][0]["score"] > 0
    assert told["award"]["winner"]["model"] == "qwen3:8b"
    assert receiver.metadata("agora.execution")["expert"] == outcome["expert"]


@pytest.mark.usefixtures("traced")
async def test_every_run_of_a_trace_says_which_thread_and_task_it_is_of(
    hire: Hire, receiver: Receiver
) -> None:
    staff = hire(local=("qwen3:8b", "llama3.1:8b"), cloud=True)
    await staff.ask("Sell or wait?", on="here", id="sell", urgency="urgent")
    stages = {run["name"] for run in receiver.runs.values()}
    entered = {f"agora.{stage}" for stage in await staff.entered()}
    assert entered <= stages and "agora.ruling" in stages
    threads = {run["extra"]["metadata"].get("thread_id") for run in receiver.runs.values()}
    assert threads == {"here"}
    assert receiver.metadata("agora.reflection")["task_id"] == "sell"
    assert receiver.metadata("agora.reflection")["policy_hash"] == staff.team.acting.policy.hash
    assert receiver.metadata("agora.vote")["audit_seq"] >= 1


@pytest.mark.usefixtures("traced")
async def test_a_trace_is_tagged_with_how_it_went(hire: Hire, receiver: Receiver) -> None:
    outcome = await hire().ask("What is the capital of France?", labels=("private",))
    (root,) = [run for run in receiver.runs.values() if not run.get("parent_run_id")]
    wanted = {"outcome:answered", f"expert:{outcome['expert']}", "route:auction"}
    assert wanted | {"env:local", "risk:medium"} <= {*root["tags"]}
    assert len([tag for tag in root["tags"] if tag.startswith("outcome:")]) == 1
    assert root["extra"]["metadata"]["cost_usd"] == outcome["cost_usd"]


@pytest.mark.usefixtures("traced")
async def test_a_trace_is_judged(hire: Hire, receiver: Receiver) -> None:
    staff = hire(local=("qwen3:8b", "llama3.1:8b"), cloud=True)
    await staff.ask("Sell or wait?", urgency="urgent")
    await asyncio.to_thread(flush)
    assert receiver.feedback["correctness"]["score"] == 1.0
    assert 0 < receiver.feedback["consensus_agreement"]["score"] <= 1
    (root,) = [run for run in receiver.runs.values() if not run.get("parent_run_id")]
    assert receiver.feedback["correctness"]["run_id"] == root["id"]


@pytest.mark.usefixtures("traced")
async def test_a_refusal_by_policy_is_a_violation(hire: Hire, receiver: Receiver) -> None:
    staff = hire(cloud=True, local=())
    await staff.ask("My own matter", labels=("private",))
    await asyncio.to_thread(flush)
    assert receiver.feedback["policy_violation"]["score"] == 1.0
    assert "correctness" not in receiver.feedback


async def test_where_nobody_traces_nothing_is_sent(hire: Hire, receiver: Receiver) -> None:
    await hire().ask("What is the capital of France?")
    assert not receiver.runs and not receiver.feedback


def voting(_: Any) -> str:
    return json.dumps({"answer": "yes", "confidence": 0.9, "argument": "it holds"})


@pytest.mark.usefixtures("traced")
async def test_each_member_of_a_meeting_is_traced_under_its_task(
    hire: Hire, receiver: Receiver
) -> None:
    staff = hire(voting, local=("qwen3:8b", "llama3.2:3b", "mistral:7b"))
    await staff.ask("Shall we paint the bridge?", urgency="urgent")
    lines = receiver.lines("llm")
    assert len(lines) >= 2
    for client, stage, room, node, task in lines:
        assert (stage, node) == ("agora.vote", "war_room") and room == task != client


@pytest.mark.usefixtures("traced")
async def test_each_subtask_is_traced_under_its_task(hire: Hire, receiver: Receiver) -> None:
    staff = hire()
    await staff.ask("Answer:\n1. What is two by two?\n2. What is six by seven?", split=True)
    assert [line[1:] for line in receiver.lines("llm")] == 2 * [["agora.subtask", "LangGraph"]]
