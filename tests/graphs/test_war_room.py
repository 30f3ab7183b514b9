import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.conftest import repository
from tests.running import CLOUD, Hire, task_in

QUESTION = "Is the bridge safe?"


def sealed(answer: str) -> str:
    return json.dumps({"answer": answer, "confidence": 0.8, "argument": f"because {answer}"})


class Members:
    """Answer one after the other what is given; the last one goes on."""

    def __init__(self, *answers: str) -> None:
        self.left = list(answers)

    def __call__(self, messages: Sequence[Any]) -> str:
        assert task_in(messages) == QUESTION
        return sealed(self.left.pop(0) if len(self.left) > 1 else self.left[0])


async def test_members_of_different_departments_rule_together(hire: Hire) -> None:
    state = await hire(Members("yes")).meet(QUESTION)
    departments = [seat["department"] for seat in state["seats"]]
    assert len(departments) == 4 == len(set(departments))
    assert [vote["answer"] for vote in state["votes"]] == 3 * ["yes"]
    assert state["ruling"]["is_consensus"] and state["outcome"]["status"] == "answered"
    assert state["outcome"]["answer"] == state["ruling"]["answer"] == "yes"


async def test_nobody_sees_what_another_has_voted(hire: Hire) -> None:
    staff = hire(Members("mauve", "mauve", "mauve"))
    await staff.meet(QUESTION)
    assert len(staff.prompts) == 3
    assert not any("mauve" in prompt for prompt in staff.prompts)


async def test_more_members_are_asked_where_they_disagree(hire: Hire) -> None:
    staff = hire(Members("yes", "no", "perhaps", "never"))
    state = await staff.meet(QUESTION)
    assert len(state["votes"]) == 4
    assert not state["ruling"]["is_consensus"] and state["outcome"]["status"] == "failed"
    assert "no consensus" in state["outcome"]["error"] and state["outcome"]["answer"] == ""


async def test_a_member_that_fails_loses_its_vote_and_not_the_meeting(hire: Hire) -> None:
    staff = hire(Members("yes"))
    staff.server.fail("empty", "wrong_schema", "wrong_schema")
    state = await staff.meet(QUESTION)
    errors = [vote["error"] for vote in state["votes"]]
    assert all(errors[:2]) and errors[2:] == [None, None]
    assert state["outcome"]["answer"] == "yes"


async def test_a_meeting_of_two_rules_nothing_and_says_so(hire: Hire) -> None:
    staff = hire(local=("qwen3:8b", "llama3.2:3b"))
    state = await staff.meet(QUESTION, requires=["software"])
    assert len(state["seats"]) == 2 and state["votes"] == [] and not staff.prompts
    assert state["ruling"]["reason"] == state["outcome"]["error"]
    assert "needs 3 experts on models, and only 2 can bid" in state["outcome"]["error"]


async def test_the_evidence_is_quoted_from_the_workspace(hire: Hire, tmp_path: Path) -> None:
    text = "# Bridge\n\nThe bridge is safe below nine tons.\n"
    workspace = repository(tmp_path / "bridge", {"README.md": text})
    staff = hire(Members("yes"))
    await staff.meet(QUESTION, workspace=str(workspace))
    assert all("README.md:3\nThe bridge is safe below nine tons." in p for p in staff.prompts)


async def test_paid_members_are_paid_from_the_budget(hire: Hire) -> None:
    staff = hire(Members("yes"), local=(), cloud=True)
    state = await staff.meet(QUESTION)
    assert state["outcome"]["status"] == "answered", state["outcome"]["error"]
    assert state["outcome"]["cost_usd"] == sum(vote["cost_usd"] for vote in state["votes"]) > 0
    assert {vote["model"] for vote in state["votes"]} == {CLOUD}


async def test_a_private_task_is_not_put_before_members_in_the_cloud(hire: Hire) -> None:
    staff = hire(local=(), cloud=True)
    state = await staff.meet(QUESTION, labels=["private"])
    assert state["seats"] == [] and not staff.prompts
