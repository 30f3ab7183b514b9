import pytest

from agora.domain.errors import UsageError
from tests.conftest import ask
from tests.running import Hire, thread

QUESTION = "What is six by seven?"


async def test_a_task_becomes_a_contract_and_a_row(hire: Hire) -> None:
    staff = hire()
    await staff.ask(QUESTION, tenant="acme", labels=["private"])
    state = await staff.state()
    (row,) = await ask(staff.team, "SELECT * FROM tasks")
    assert state["task"] == row["body"] and row["tenant"] == "acme" and row["thread_id"] == "one"
    assert state["task"]["urgency"] == "normal" and state["task"]["labels"] == ["private"]
    assert state["context"]["correlation_id"] == state["task"]["id"] == row["id"]
    assert state["context"]["thread_id"] == "one"


async def test_a_second_task_on_the_thread_finds_nothing_of_the_first(hire: Hire) -> None:
    staff = hire()
    staff.server.fail("refused")
    await staff.ask(QUESTION)
    first = await staff.state()
    assert first["tried"] and first["bids"]
    await staff.ask(QUESTION)
    second = await staff.state()
    assert second["task"]["id"] != first["task"]["id"] and second["outcome"]["cached"]
    assert (second["tried"], second["bids"], second["plan"], second["award"]) == ([], [], {}, None)


async def test_of_a_conversation_the_newest_message_is_the_task(hire: Hire) -> None:
    staff = hire()
    await staff.say("What is six by six?")
    await staff.say(QUESTION)
    state = await staff.state()
    assert state["task"]["text"] == QUESTION
    assert state["heard"] == state["messages"][-2].id


@pytest.mark.parametrize(
    "asked",
    [{"text": ""}, {}, {"text": "x", "deadline_s": 0}, {"text": "x", "colour": "red"}]
    + [{"text": "x" * 1_000_000}],
    ids=["empty", "missing", "no time", "unknown field", "a megabyte"],
)
async def test_what_is_no_task_is_not_begun(hire: Hire, asked: dict[str, object]) -> None:
    staff = hire()
    with pytest.raises(UsageError):
        await staff.task.ainvoke({"task": asked}, thread("bad"), durability="sync")
    assert await ask(staff.team, "SELECT FROM tasks") == [] and not staff.prompts
