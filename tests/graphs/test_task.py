import asyncio
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agora.domain.errors import ClaimHeldError
from tests.conftest import ask, commit, repository
from tests.running import Hire, refusing, task_in, thread

COLD = ["intake", "pulse", "recall", "planning", "bidding", "execution", "reflection"]
QUESTION = "What is the capital of France?"


async def test_a_task_can_be_followed_from_observing_to_reflecting(hire: Hire) -> None:
    staff = hire(lambda messages: "Paris.")
    outcome = await staff.ask(QUESTION, id="task-1")
    assert (outcome["status"], outcome["answer"]) == ("answered", "Paris.")
    assert outcome["model"] == "qwen3:8b" and outcome["tokens"] > 0

    rows = await ask(staff.team, "SELECT kind, correlation_id, body FROM events ORDER BY id")
    assert {row["correlation_id"] for row in rows} == {"task-1"}
    stages = [(row["kind"], row["body"]["stage"]) for row in rows if "stage" in row["body"]]
    assert stages == [(f"stage.{way}", name) for name in COLD for way in ("entered", "left")]
    inside = [row["kind"] for row in rows if "stage" not in row["body"]]
    assert inside == ["act.ask_model", "outcome.judged"]
    decided = await ask(staff.team, "SELECT body FROM decisions")
    assert len(decided) == 1 and '"correlation_id":"task-1"' in decided[0]["body"]


async def test_an_exact_repeat_is_served_without_asking_a_model(hire: Hire) -> None:
    staff = hire(lambda messages: "Paris.")
    first = await staff.ask(QUESTION)
    again = await staff.ask("hello, what is the capital of france", on="two")
    assert again["answer"] == first["answer"] and again["cached"] and not first["cached"]
    assert again["cost_usd"] == again["tokens"] == 0
    assert len(staff.server.exchanges) == 1
    assert (await staff.entered())[len(COLD) :] == ["intake", "pulse", "recall", "reflection"]
    assert len(await staff.events("outcome.judged")) == 1


async def test_the_loser_is_out_of_the_second_auction(hire: Hire) -> None:
    replies = iter((refusing([]), "Paris."))
    staff = hire(lambda messages: next(replies))
    outcome = await staff.ask(QUESTION)
    state = await staff.state()
    loser, winner = state["tried"][0]["award"]["winner"], state["award"]["winner"]
    assert outcome["status"] == "answered" and outcome["expert"] == winner["expert"]
    assert loser["expert"] != winner["expert"]
    said = next(bid for bid in state["bids"] if bid["expert"] == loser["expert"])
    assert said["score"] is None and "has failed at this task" in said["reasons"][0]
    assert (await staff.entered()).count("bidding") == 2
    judged = {event["bidder"]: event["right"] for event in await staff.events("outcome.judged")}
    assert judged == {f"{loser['expert']}@qwen3:8b": False, f"{winner['expert']}@qwen3:8b": True}


async def test_the_war_room_meets_after_two_failures(hire: Hire) -> None:
    staff = hire()
    staff.server.fail("refused", "refused")
    outcome = await staff.ask(QUESTION)
    assert (outcome["status"], outcome["expert"]) == ("answered", "war_room")
    assert outcome["answer"] == "forty-two"
    entered = await staff.entered()
    assert entered[entered.index("seats") :] == ["seats", "vote", "ruling", "reflection"]
    votes = (await staff.state())["ruling"]["votes"]
    assert len(votes) == 2, "the two strongest of four agree: the others could not change it"
    assert len({vote["expert"] for vote in votes}) == 2


async def test_an_urgent_task_goes_to_the_war_room_at_once(hire: Hire) -> None:
    staff = hire()
    outcome = await staff.ask(QUESTION, urgency="urgent")
    assert outcome["expert"] == "war_room" and outcome["answer"] == "forty-two"
    assert len({vote["department"] for vote in (await staff.state())["ruling"]["votes"]}) == 2
    assert "sealed" in staff.prompts[0] and len(staff.prompts) == 2
    assert len(await staff.events("outcome.judged")) == 0, "nobody has won an auction"


async def test_an_urgent_task_that_few_can_do_is_no_meeting(hire: Hire) -> None:
    staff = hire(local=("qwen3:8b", "llama3.2:3b"))
    outcome = await staff.ask(QUESTION, urgency="urgent", requires=["software"])
    assert (outcome["status"], outcome["expert"]) == ("answered", "engineer")
    assert "seats" not in await staff.entered()


def rewriting(messages: Sequence[Any]) -> str:
    """Make a follow-up stand alone, and repeat whatever else is asked."""
    if "<conversation>" in str(messages[-1]["content"]):
        return json.dumps({"question": "How is Kestrel installed on Debian?"})
    return f"so you ask: {task_in(messages)}"


@pytest.mark.parametrize("labels", [[], ["private"]])
async def test_a_follow_up_on_a_thread_is_understood_by_what_was_said_there(
    hire: Hire, labels: list[str]
) -> None:
    staff = hire(rewriting)
    await staff.ask("How is Kestrel installed?", labels=labels)
    outcome = await staff.ask("And on Debian?", labels=labels)
    assert outcome["answer"] == "so you ask: How is Kestrel installed on Debian?"
    asked = next(one for one in staff.prompts if "<conversation>" in one)
    assert "human: How is Kestrel installed?" in asked and "ai: so you ask" in asked


async def test_too_few_for_a_war_room_is_said_in_one_sentence(hire: Hire) -> None:
    staff = hire(local=("qwen3:8b", "llama3.2:3b"))
    staff.server.fail("refused", "refused")
    outcome = await staff.ask(QUESTION, requires=["software"])
    assert outcome["status"] == "failed" and "OLLAMA_HOST" in outcome["hint"]
    assert outcome["error"] == "a war room needs 3 experts on models, and only 2 can bid"
    assert len(staff.prompts) == 2


async def test_where_only_one_can_its_own_failure_is_the_outcome(hire: Hire) -> None:
    staff = hire()
    staff.server.fail("refused")
    outcome = await staff.ask(QUESTION, requires=["software"])
    assert outcome["status"] == "failed" and "refus" in outcome["error"]
    assert (await staff.entered())[-2:] == ["bidding", "reflection"]


async def test_a_conversation_makes_a_task_of_each_turn(hire: Hire) -> None:
    staff = hire(lambda messages: "Paris." if "France" in task_in(messages) else "Rome.")
    await staff.say("Name the capital of France")
    done = await staff.say("Name the capital of Italy")
    said = [(message.type, message.text) for message in done["messages"]]
    assert said[1::2] == [("ai", "Paris."), ("ai", "Rome.")] and len(said) == 4
    assert done["outcome"]["answer"] == "Rome."
    rows = await ask(staff.team, "SELECT body, status FROM tasks ORDER BY created_at")
    assert [row["body"]["text"][-6:] for row in rows] == ["France", " Italy"]
    assert {row["status"] for row in rows} == {"answered"}
    assert len({event["correlation_id"] for event in await staff.events("stage.entered")}) == 2


async def test_a_replayed_execution_finds_its_acts(hire: Hire) -> None:
    staff = hire(lambda messages: f"answer {len(messages)}")
    outcome = await staff.ask(QUESTION)
    before = [
        state.config
        async for state in staff.task.aget_state_history(thread("one"))
        if state.next == ("execution",)
    ]
    again = await staff.task.ainvoke(None, before[0], durability="sync")
    assert again["outcome"] == outcome and len(staff.server.exchanges) == 1
    assert (await staff.entered()).count("execution") == 2
    assert len(await staff.events("outcome.judged")) == 1


async def test_two_runs_at_once_on_one_thread_are_one_too_many(hire: Hire) -> None:
    refused = threading.Event()
    staff = hire(lambda messages: "Paris." if refused.wait(60) else "", **{"stage.lease_s": 3.0})
    first = asyncio.create_task(staff.ask(QUESTION))
    while not staff.server.exchanges:
        await asyncio.sleep(0.01)
    with pytest.raises(ClaimHeldError, match="another run works on thread one"):
        await staff.ask("And of Italy?")
    refused.set()
    assert (await first)["status"] == "answered" and len(staff.prompts) == 1


async def test_a_workspace_answers_with_quotations_or_not_at_all(
    hire: Hire, tmp_path: Path
) -> None:
    text = "# Backups\n\nNightly backups are kept in the cold vault.\n"
    workspace = repository(tmp_path / "docs", {"README.md": text})
    staff = hire(local=())

    async def ask_the_documents(question: str) -> Any:
        return await staff.ask(question, on=question, workspace=str(workspace))

    found = await ask_the_documents("Where are nightly backups kept?")
    assert (found["status"], found["expert"], found["cost_usd"]) == ("answered", "librarian", 0)
    assert found["evidence"][0]["path"] == "README.md"
    assert found["evidence"][0]["quote"] in text and "cold vault" in found["answer"]

    missing = await ask_the_documents("Which parrot sings in the opera of Sydney?")
    assert missing["status"] == "declined" and "found nothing" in missing["answer"]

    (workspace / "README.md").write_text(text.replace("cold", "blue"))
    commit(workspace, "move them")
    fresh = await ask_the_documents("Where are nightly backups kept?")
    assert not fresh["cached"] and "blue vault" in fresh["answer"]
