from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agora.domain import chat
from agora.domain.contracts import AgentTask, Case
from agora.domain.errors import ClaimHeldError
from tests.conftest import ask, repository
from tests.model_server import Call
from tests.running import Hire

TOOL = '''def divide(a: float, b: float) -> float:
    """Return a / b."""
    return a / b
'''
SUM = "Use the python function: how much is 9 by 3?"


@pytest.fixture
def workspace(tmp_path: Path) -> str:
    return str(repository(tmp_path / "tools", {"calc.py": TOOL}))


class Caller:
    """Call the tool with these arguments, one set a round, then repeat what it was told last."""

    def __init__(self, *rounds: dict[str, Any], name: str = "calc_divide") -> None:
        self.rounds, self.name = rounds, name

    def __call__(self, messages: Sequence[Any]) -> str | Call:
        told = [message["content"] for message in messages if message["role"] == "tool"]
        if len(told) < len(self.rounds):
            return Call(self.name, self.rounds[len(told)])
        return f"I was told {told[-1]}"


@pytest.mark.needs("bubblewrap")
async def test_an_expert_calls_a_tool_of_the_workspace(hire: Hire, workspace: str) -> None:
    staff = hire(Caller({"a": 9, "b": 3}))
    outcome = await staff.ask(SUM, workspace=workspace, domain="software")
    assert outcome["answer"] == 'I was told {"result": 3.0}' and outcome["expert"] == "engineer"
    (call,) = outcome["tool_calls"]
    assert (call["name"], call["arguments"]) == ("calc.divide", {"a": 9, "b": 3})
    assert call["result"] == 3.0
    told = await staff.events("tool.judged")
    assert [event["is_right"] for event in told] == [True]
    acts = await ask(
        staff.team, "SELECT kind FROM acts WHERE actor <> 'librarian' ORDER BY began_at"
    )
    assert [act["kind"] for act in acts] == ["ask_model", "call_tool", "ask_model"]


@pytest.mark.needs("bubblewrap")
async def test_wrong_arguments_are_told_and_put_right_in_the_next_round(
    hire: Hire, workspace: str
) -> None:
    staff = hire(Caller({"a": "nine", "b": 3}, {"a": 9, "b": 3}))
    outcome = await staff.ask(SUM, workspace=workspace, domain="software")
    wrong, right = outcome["tool_calls"]
    assert wrong["error"] == 'calc.divide: a is "nine", allowed: a number'
    assert right["error"] is None and outcome["answer"].endswith('{"result": 3.0}')
    assert "allowed: a number" in staff.prompts[1]
    assert len(await staff.events("tool.judged")) == 1, "what was not called has not failed"


@pytest.mark.needs("bubblewrap")
async def test_a_tool_that_raises_does_not_end_the_task(hire: Hire, workspace: str) -> None:
    staff = hire(Caller({"a": 9, "b": 0}))
    outcome = await staff.ask(SUM, workspace=workspace, domain="software")
    assert outcome["status"] == "answered" and "ZeroDivisionError" in outcome["answer"]
    (judged,) = await staff.events("tool.judged")
    assert not judged["is_right"] and judged["arguments"] == {"a": 9, "b": 0}
    assert judged["line"] == 3


async def test_a_tool_that_is_not_there_is_said_to_be_none(hire: Hire, workspace: str) -> None:
    staff = hire(Caller({}, name="launch_rocket"))
    outcome = await staff.ask(SUM, workspace=workspace, domain="software")
    assert "no such tool; there are calc_divide" in outcome["answer"]


async def test_an_expert_that_only_asks_for_tools_is_stopped(hire: Hire, workspace: str) -> None:
    staff = hire(Caller(*9 * [{}], name="launch_rocket"), **{"execution.tool_rounds": 2})
    outcome = await staff.ask(SUM, workspace=workspace, requires=["software"])
    assert outcome["status"] == "failed" and "beyond its rounds" in outcome["error"]
    assert len(staff.prompts) == 3
    assert [bool(e.body.get("tools")) for e in staff.server.exchanges] == [True, True, False]


async def test_the_same_id_gives_the_stored_outcome_and_does_nothing(hire: Hire) -> None:
    staff = hire()
    first = await staff.ask("What is six by seven?", id="once")
    before = await ask(staff.team, "SELECT key FROM acts UNION ALL SELECT hash FROM decisions")
    again = await staff.ask("What is six by seven?", on="elsewhere", id="once")
    assert again == first and not again["cached"]
    assert (await staff.entered())[-1] == "intake" and len(staff.prompts) == 1
    after = await ask(staff.team, "SELECT key FROM acts UNION ALL SELECT hash FROM decisions")
    assert after == before


async def test_an_id_that_is_being_worked_on_elsewhere_is_refused(hire: Hire) -> None:
    staff = hire()
    await staff.ask("What is six by seven?", id="once")
    await ask(staff.team, "UPDATE tasks SET outcome = NULL RETURNING 1")
    with pytest.raises(ClaimHeldError, match="task once is being done in thread one"):
        await staff.ask("What is six by seven?", on="elsewhere", id="once")


async def test_a_deadline_counts_only_once_the_clients_are_loaded(
    hire: Hire, monkeypatch: pytest.MonkeyPatch
) -> None:
    team, now = hire().team, [datetime(2026, 1, 1, tzinfo=UTC)]

    async def loads_for_an_hour() -> None:
        now[0] += timedelta(hours=1)

    monkeypatch.setattr(chat, "load", loads_for_an_hour)
    answering = replace(team.answering, market=replace(team.market, clock=lambda: now[0]))
    task, here = AgentTask(id="one", text="Is it true?", deadline_s=5), Case("one", "one", "", 0)
    await answering.accept(task, here)
    ends_at = answering.context(task, here).ends_at
    assert ends_at == (now[0] + timedelta(seconds=5)).isoformat()
    assert now[0].hour == 1


@pytest.mark.parametrize("reply", ["", "I'm sorry, but I can't help with that."])
async def test_a_reply_that_says_nothing_does_not_count(hire: Hire, reply: str) -> None:
    staff = hire(lambda messages: reply)
    outcome = await staff.ask("What is six by seven?", requires=["software"])
    assert outcome["status"] == "failed" and outcome["answer"] == ""


async def test_the_expert_is_told_what_the_team_does_and_what_documents_say(
    hire: Hire, tmp_path: Path
) -> None:
    text = "# Vault\n\nThe vault opens with the blue key.\n"
    workspace = repository(tmp_path / "docs", {"README.md": text})
    staff = hire()
    await staff.ask("What is six by seven?")
    asked = "Please write down which key the vault opens with"
    await staff.ask(asked, on="two", workspace=str(workspace), requires=["software"])
    assert "README.md:3\nThe vault opens with the blue key." in staff.prompts[-1]
    assert "The newest were about: What is six by seven?" in staff.prompts[-1]


async def test_whoever_streams_a_run_sees_the_award_and_the_words(hire: Hire) -> None:
    staff = hire(lambda messages: "one two three")
    config: Any = {"configurable": {"thread_id": "streamed"}}
    asked = {"task": {"text": "Count to three"}}
    told = [piece async for piece in staff.task.astream(asked, config, stream_mode="custom")]
    assert told[0]["kind"] == "award" and told[0]["expert"].endswith("@qwen3:8b")
    assert "".join(one["text"] for one in told[1:]) == "one two three"
