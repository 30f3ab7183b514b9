from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import Command

from agora.app.takeover import take_over
from tests.conftest import ask, repository
from tests.model_server import Call
from tests.running import Hire, Staff, thread

FILES = {
    "notes.py": '''def post(text: str) -> str:
    """Post a note to the board."""
    return f"posted {text}"
''',
    "README.md": "# Board\n\nThe board holds notes.\n",
    "pyproject.toml": '[tool.agora]\ntags = { "notes:post" = ["sends"] }\n',
}
ABANDONED = """
INSERT INTO claims (thread_id, stage, holder, token, checkpoint_id, is_open, expires_at)
VALUES ('one', 'execution', '', nextval('claim_tokens'), '', true, now() - interval '1 day')
ON CONFLICT (thread_id) DO UPDATE SET expires_at = now() - interval '1 day' RETURNING 1
"""
TASK = "Use the python function for the board: post two notes."
pytestmark = pytest.mark.needs("bubblewrap")


@pytest.fixture
def workspace(tmp_path: Path) -> str:
    return str(repository(tmp_path / "w", FILES))


def posting(*texts: str) -> Any:
    """Post each text, then say what the tool has said last."""

    def script(messages: Sequence[Any]) -> str | Call:
        told = [message["content"] for message in messages if message["role"] == "tool"]
        if len(told) < len(texts):
            return Call("notes_post", {"text": texts[len(told)]})
        return f"I was told {told[-1]}"

    return script


async def begun(staff: Staff, workspace: str) -> Any:
    fields = {"text": TASK, "workspace": workspace, "domain": "software"}
    return await staff.task.ainvoke({"task": fields}, thread("one"), durability="sync")


async def resumed(staff: Staff, kind: str) -> Any:
    said = {"decisions": [{"type": kind, "by": "anna"}]}
    return await staff.task.ainvoke(Command(resume=said), thread("one"), durability="sync")


async def calls(staff: Staff) -> int:
    rows = await ask(staff.team, "SELECT 1 FROM acts WHERE kind = 'call_tool' AND status = 'done'")
    return len(rows)


async def test_a_run_waits_for_a_yes_and_then_goes_on(hire: Hire, workspace: str) -> None:
    staff = hire(posting("a"))
    state = await begun(staff, workspace)
    (asked,) = state["__interrupt__"]
    (action,) = asked.value["action_requests"]
    assert action["name"] == "permit_act" and action["args"]["act"]["subject"] == "notes.post"
    assert "sending_asks" in action["description"] and await calls(staff) == 0
    assert [row["id"] for row in await staff.team.acting.asked()] == [action["args"]["id"]]
    outcome = (await resumed(staff, "approve"))["outcome"]
    assert outcome["answer"] == 'I was told {"result": "posted a"}' and await calls(staff) == 1
    assert len(staff.server.exchanges) == 2, "what was asked before is not asked again"


async def test_each_act_is_asked_for_by_itself(hire: Hire, workspace: str) -> None:
    staff = hire(posting("a", "b"))
    await begun(staff, workspace)
    state = await resumed(staff, "approve")
    assert len(state["__interrupt__"]) == 1 and await calls(staff) == 1
    outcome = (await resumed(staff, "approve"))["outcome"]
    assert outcome["status"] == "answered" and await calls(staff) == 2
    said = await ask(staff.team, "SELECT type, by FROM escalations")
    assert said == 2 * [{"type": "approve", "by": "anna"}]


async def test_a_no_ends_the_task_and_nothing_is_done(hire: Hire, workspace: str) -> None:
    staff = hire(posting("a"))
    await begun(staff, workspace)
    outcome = (await resumed(staff, "reject"))["outcome"]
    assert outcome["status"] == "refused" and "anna: reject" in outcome["error"]
    assert await calls(staff) == 0


async def test_only_a_clear_word_counts(hire: Hire, workspace: str) -> None:
    staff = hire(posting("a"))
    await begun(staff, workspace)
    state = await resumed(staff, "maybe")
    assert "not a decision" in state["__interrupt__"][0].value["problem"]
    assert await calls(staff) == 0


async def test_an_answer_is_not_lost_when_whoever_gave_it_dies(hire: Hire, workspace: str) -> None:
    staff = hire(posting("a"))
    await begun(staff, workspace)
    (waiting,) = await staff.team.acting.asked()
    assert await take_over({"task": staff.task}) == [], "nobody has answered"
    await staff.team.acting.hear(waiting["id"], "approve", "anna")
    await ask(staff.team, ABANDONED)
    assert await take_over({"task": staff.task}) == ["one"]
    assert (await staff.state())["outcome"]["status"] == "answered" and await calls(staff) == 1
