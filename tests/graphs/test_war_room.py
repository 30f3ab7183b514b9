import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import Command

from agora.team.meeting import Meeting
from tests.conftest import ask, repository
from tests.running import CLOUD, Hire, Staff, task_in, thread

QUESTION = "Shall we paint the bridge?"
FOUR = ("engineer", "generalist", "researcher", "risk officer")
MODELS = ("qwen3:8b", "llama3.2:3b", "mistral:7b", "gemma3:4b", "phi4:14b")


def sealed(answer: str, **more: Any) -> str:
    said = {"answer": answer, "confidence": 0.8, "argument": f"because {answer}"}
    return json.dumps(said | more)


class Members:
    """Say what each expert is given to say, in each part of a meeting; "*" is anybody else."""

    def __init__(
        self,
        sealed_: Mapping[str, str],
        after: Mapping[str, str] | None = None,
        judge: int = 0,
        groups: Sequence[Sequence[int]] = (),
    ) -> None:
        self.sealed, self.after = sealed_, after or sealed_
        self.judge, self.groups = judge, groups

    def __call__(self, messages: Sequence[Any]) -> str:
        assert task_in(messages) == QUESTION
        system, asked = str(messages[0]["content"]), str(messages[1]["content"])
        if "Decide which of the numbered" in asked:
            return json.dumps({"groups": self.groups})
        if "Decide which of the answers" in asked:
            return json.dumps({"answer": self.judge, "confidence": 0.9, "reason": "it holds"})
        said = self.after if "answered alone, and not alike" in asked else self.sealed
        known = next((one for one in said if f"You are the {one}" in system), "*")
        return said[known] if said[known].startswith("{") else sealed(said[known])


def parts(staff: Staff, words: str) -> list[str]:
    """Return the prompts of one part of a meeting."""
    return [prompt for prompt in staff.prompts if words in prompt]


async def test_members_of_different_departments_rule_together(hire: Hire) -> None:
    state = await hire(Members({"*": "yes"})).meet(QUESTION)
    departments = [seat["department"] for seat in state["seats"]]
    assert len(departments) == 4 == len(set(departments))
    assert {vote["answer"] for vote in state["votes"]} == {"yes"}
    assert state["ruling"]["is_consensus"] and state["outcome"]["status"] == "answered"
    assert state["outcome"]["answer"] == state["ruling"]["answer"] == "yes"
    assert state["ruling"]["decided_by"] == "vote"


async def test_no_more_members_are_asked_than_can_change_the_winner(hire: Hire) -> None:
    staff = hire(Members({"*": "yes"}), local=MODELS)
    state = await staff.meet(QUESTION, domain="cooking")
    assert len(state["seats"]) == 5 and len({seat["model"] for seat in state["seats"]}) == 5
    assert len(state["votes"]) == 3 == len(staff.prompts) == state["ruling"]["calls"]


async def test_nobody_sees_what_another_has_voted(hire: Hire) -> None:
    staff = hire(Members({"*": "mauve"}))
    await staff.meet(QUESTION)
    assert staff.prompts and not any("mauve" in prompt for prompt in staff.prompts)


SPLIT = {
    "engineer": "yes",
    "generalist": "no",
    "researcher": "never in July",
    "*": "only by night",
}


async def test_arguments_are_shown_once_and_without_names_where_members_disagree(
    hire: Hire,
) -> None:
    staff = hire(Members(SPLIT, {"*": "no"}))
    state = await staff.meet(QUESTION)
    shown = parts(staff, "<arguments>")
    assert len(shown) == 4 and all("because yes" in one and "because no" in one for one in shown)
    assert not any(
        f"You are the {name}" in one.split("<arguments>")[1] for one in shown for name in FOUR
    )
    assert state["ruling"]["decided_by"] == "evidence" and state["outcome"]["answer"] == "no"
    assert "yes" in {vote["first"] for vote in state["votes"]}


async def test_where_arguments_change_nothing_there_is_no_consensus_and_that_is_said(
    hire: Hire,
) -> None:
    staff = hire(Members(SPLIT))
    state = await staff.meet(QUESTION)
    assert len(parts(staff, "<arguments>")) == 4, "one round, whatever comes of it"
    assert not state["ruling"]["is_consensus"] and state["outcome"]["status"] == "failed"
    assert "no consensus" in state["outcome"]["error"] and state["outcome"]["answer"] == ""
    assert state["ruling"]["answer"] and state["ruling"]["dissent"]


async def test_a_member_that_fails_loses_its_vote_and_not_the_meeting(hire: Hire) -> None:
    staff = hire(Members({"*": "yes"}))
    staff.server.fail("empty", "reset")
    state = await staff.meet(QUESTION)
    errors = [vote["error"] for vote in state["votes"]]
    assert sum(map(bool, errors)) == 2 and len(errors) == 4
    assert state["outcome"]["answer"] == "yes"


async def test_two_members_hang_and_one_talks_nonsense_and_the_meeting_ends_in_time(
    hire: Hire,
) -> None:
    hanging = set(MODELS[:2])
    staff = hire(
        Members({"*": "yes"}),
        local=MODELS,
        **{"room.deadline_s": 60, "room.member_s": 4},
    )
    staff.server.fault = lambda exchange: (
        "hang" if exchange.model in hanging else "prose" if exchange.model == MODELS[2] else None
    )
    begun = time.monotonic()
    state = await staff.meet(QUESTION)
    assert time.monotonic() - begun < 60
    assert state["ruling"]["answer"] == "yes"
    assert all(bool(vote["error"]) == (vote["model"] in MODELS[:3]) for vote in state["votes"])


async def test_when_all_members_hang_there_is_no_consensus_in_time(hire: Hire) -> None:
    staff = hire(local=MODELS, **{"room.deadline_s": 3, "room.member_s": 120})
    staff.server.fault = lambda exchange: "hang"
    begun = time.monotonic()
    state = await staff.meet(QUESTION)
    assert time.monotonic() - begun < 60
    assert state["outcome"]["status"] == "failed" and not state["ruling"]["is_consensus"]
    assert all(vote["error"] for vote in state["votes"])


async def test_a_meeting_asks_no_more_than_its_cap(hire: Hire) -> None:
    staff = hire(Members(SPLIT), **{"room.calls": 5})
    state = await staff.meet(QUESTION)
    assert len(staff.prompts) == 5 == state["ruling"]["calls"]


async def test_a_member_that_is_too_dear_is_not_asked(hire: Hire) -> None:
    staff = hire(Members({"*": "yes"}), local=(), cloud=True, **{"room.usd": 0.0001})
    state = await staff.meet(QUESTION)
    assert not staff.prompts and "more than the meeting has" in state["votes"][0]["error"]


async def test_answers_in_other_words_count_together_where_a_model_says_so(hire: Hire) -> None:
    said = {"engineer": "it is safe", "generalist": "safe it is", "*": "the bridge is sound"}
    state = await hire(Members(said, groups=[[1, 2, 3]])).meet(QUESTION)
    assert state["ruling"]["is_consensus"] and state["ruling"]["decided_by"] == "vote"
    assert len({vote["meaning"] for vote in state["votes"]}) == 1


async def test_a_yes_and_a_no_are_never_the_same_whatever_a_model_says(hire: Hire) -> None:
    staff = hire(
        Members({"engineer": "yes", "generalist": "no", "*": "surely"}, groups=[[1, 2, 3]])
    )
    state = await staff.meet(QUESTION)
    assert {"yes", "no"} <= {vote["meaning"] for vote in state["votes"]}


async def test_a_quotation_that_is_not_there_costs_the_vote(hire: Hire, tmp_path: Path) -> None:
    text = "# Bridge\n\nThe bridge is safe below nine\ntons.\n"
    workspace = repository(tmp_path / "bridge", {"README.md": text})
    true = sealed("yes", quotes=["safe below nine tons"])
    false = sealed("no", quotes=["safe below ninety tons"])
    staff = hire(Members({"researcher": true, "risk officer": true, "*": false}))
    state = await staff.meet(QUESTION, workspace=str(workspace))
    assert state["ruling"]["answer"] == "yes" and state["ruling"]["is_consensus"]
    refuted = [vote for vote in state["votes"] if vote["error"]]
    assert refuted and all("no document says" in vote["error"] for vote in refuted)


async def test_a_meeting_of_two_rules_nothing_and_says_so(hire: Hire) -> None:
    staff = hire(local=("qwen3:8b", "llama3.2:3b"))
    state = await staff.meet(QUESTION, requires=["software"])
    assert len(state["seats"]) == 2 and state["votes"] == [] and not staff.prompts
    assert state["ruling"]["reason"] == state["outcome"]["error"]
    assert "needs 3 experts on models, and only 2 can bid" in state["outcome"]["error"]
    assert "OLLAMA_HOST" in state["outcome"]["hint"]


async def test_a_judge_is_of_a_family_that_is_not_at_the_table(hire: Hire) -> None:
    staff = hire(Members(SPLIT, judge=1), local=MODELS, **{"room.seats": 3})
    state = await staff.meet(QUESTION)
    judge = state["judge"]
    assert judge["family"] not in {seat["family"] for seat in state["seats"]}
    assert len(parts(staff, "Decide which of the answers")) == 1
    assert state["ruling"]["votes"][-1]["answer"] == judge["answer"]


async def test_a_person_rules_where_the_meeting_cannot(hire: Hire) -> None:
    staff = hire(Members(SPLIT), **{"room.asks_person": True})
    stopped = await staff.meet(QUESTION)
    shown = stopped["__interrupt__"][0].value
    assert shown["question"] == QUESTION and shown["leading"] and len(shown["others"]) == 3
    assert await ask(staff.team, "SELECT FROM rooms") == []
    decision: Command[str] = Command(
        resume={"decisions": [{"type": "edit", "answer": "never in July"}]}
    )
    state = await staff.room.ainvoke(decision, thread("room"), durability="sync")
    assert state["outcome"]["answer"] == "never in July"
    assert state["ruling"]["decided_by"] == "person"
    judged = (await staff.events("votes.judged"))[0]["votes"]
    assert any(judged.values()) and not all(judged.values())


async def test_the_minutes_stay_in_memory_and_in_the_signed_log(hire: Hire) -> None:
    staff = hire(Members(SPLIT, {"*": "no"}))
    state = await staff.meet(QUESTION)
    rows = await ask(staff.team, "SELECT id, minutes FROM rooms")
    assert rows[0]["minutes"]["ruling"] == state["ruling"]
    log = await ask(staff.team, "SELECT body FROM decisions ORDER BY seq DESC LIMIT 1")
    entry = json.loads(log[0]["body"])
    assert entry["action"] == "rule" and entry["resource"] == f"room:{rows[0]['id']}"
    assert entry["verdict"] == "evidence" and entry["answer"] == "no"
    assert {vote["expert"] for vote in entry["votes"]} == {
        vote["expert"] for vote in state["votes"]
    }


async def test_the_log_tells_nothing_of_what_a_private_task_was_answered(hire: Hire) -> None:
    staff = hire(Members({"*": "mauve"}))
    await staff.meet(QUESTION, labels=["private"])
    log = await ask(staff.team, "SELECT body FROM decisions")
    assert not any("mauve" in row["body"] for row in log)


async def test_a_judged_meeting_counts_once_for_those_who_were_heard(hire: Hire) -> None:
    staff = hire(Members(SPLIT, {"*": "no"}))
    state = await staff.meet(QUESTION)
    meeting, room = staff.team.meeting, state["task"]["id"]
    before = await staff.team.meeting.seating.reputations()
    assert await meeting.learn(room, "No.") and not await meeting.learn(room, "yes")
    after = await staff.team.meeting.seating.reputations()
    assert before["members"] == {}
    assert {one["right"] for one in after["members"].values()} == {1}
    assert len(after["members"]) == len(state["votes"])


async def test_a_meeting_that_broke_off_goes_on_and_asks_nobody_twice(
    hire: Hire, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff = hire(Members(SPLIT, {"*": "no"}))

    async def broken(*_: object) -> None:
        raise OSError("the power is gone")

    with monkeypatch.context() as breaking:
        breaking.setattr(Meeting, "_compared", broken)
        with pytest.raises(OSError, match="power"):
            await staff.meet(QUESTION)
    asked = len(staff.prompts)
    state = await staff.room.ainvoke(None, thread("room"), durability="sync")
    sealed_ = [one for one in staff.prompts if "Every member answers alone" in one]
    assert asked and len(sealed_) == len(set(sealed_)) == len(state["votes"])
    assert state["outcome"]["answer"] == "no"


async def test_a_channel_disappears_and_the_minutes_stay(hire: Hire) -> None:
    staff = hire(Members({"*": "yes"}), **{"stream.channel_s": 600})
    first = (await staff.meet(QUESTION))["task"]["id"]
    meeting = staff.team.meeting
    said = [event.kind for event in await meeting.said(first)]
    assert said[0] == "room.opened" and said[-1] == "room.ruled"
    age = "UPDATE events SET at = at - interval '1 hour' WHERE channel <> '' RETURNING 1"
    await ask(staff.team, age)
    await staff.meet(QUESTION)
    assert await meeting.said(first) == [] and await meeting.minutes.find(first)


CHECKED = """[tool.agora.tags]
"check:is_painted" = ["verifies"]
"""
CHECK = """def is_painted(task: str, answer: str) -> bool:
    \"\"\"Say whether an answer holds.\"\"\"
    return answer == "no"
"""


async def test_an_answer_that_a_tool_refutes_has_no_vote(hire: Hire, tmp_path: Path) -> None:
    files = {"check.py": CHECK, "pyproject.toml": CHECKED}
    workspace = repository(tmp_path / "bridge", files)
    staff = hire(Members({"risk officer": "no", "*": "yes"}))
    state = await staff.meet(QUESTION, workspace=str(workspace))
    assert state["outcome"]["answer"] == "no" and state["ruling"]["is_consensus"]
    assert "check.is_painted says that it holds" in state["ruling"]["reason"]
    lost = [vote["error"] for vote in state["votes"] if vote["answer"] == "yes"]
    assert lost and set(lost) == {"check.is_painted says that the answer does not hold"}
    calls = await ask(staff.team, "SELECT status FROM acts WHERE kind = 'call_tool'")
    assert calls and {call["status"] for call in calls} == {"done"}, "through the one door"


async def test_who_was_not_heard_is_asked_when_the_truth_is_shown(hire: Hire) -> None:
    staff = hire(Members({"*": "yes"}), local=MODELS)
    state = await staff.meet(QUESTION)
    assert len(state["votes"]) < 5 == len(state["seats"])
    assert await staff.team.meeting.learn(state["task"]["id"], is_right=True)
    judged = (await staff.events("votes.judged"))[0]
    assert len(staff.prompts) == 5 and list(judged["votes"].values()) == [True] * 5


async def test_of_a_wrong_ruling_only_its_supporters_are_known_to_be_wrong(hire: Hire) -> None:
    said = {"engineer": "yes", "*": "no"}
    staff = hire(Members(said))
    state = await staff.meet(QUESTION)
    asked = len(staff.prompts)
    assert await staff.team.meeting.learn(state["task"]["id"], is_right=False)
    votes = (await staff.events("votes.judged"))[0]["votes"]
    assert votes and set(votes.values()) == {False} and "engineer@qwen3:8b" not in votes
    assert len(staff.prompts) == asked


async def test_who_has_misled_meetings_weighs_less_in_the_next(hire: Hire) -> None:
    staff = hire(Members({"generalist": "yes", "*": "no"}, {"generalist": "yes", "*": "no"}))
    for number in range(30):
        event = {"votes": {"generalist@qwen3:8b": False}, "domain": "general"}
        body = json.dumps(event)
        insert = "INSERT INTO events (correlation_id, kind, body) VALUES (%s, 'votes.judged', %s)"
        async with staff.team.database.transaction() as connection:
            await connection.execute(insert, [str(number), body])
    state = await staff.meet(QUESTION)
    standing = {
        seat["expert"]: seat["right"] / (seat["right"] + seat["wrong"]) for seat in state["seats"]
    }
    assert (
        standing["generalist"]
        < 0.4
        < min(p for name, p in standing.items() if name != "generalist")
    )


async def test_the_evidence_is_quoted_from_the_workspace(hire: Hire, tmp_path: Path) -> None:
    text = "# Bridge\n\nThe bridge is safe below nine tons.\n"
    workspace = repository(tmp_path / "bridge", {"README.md": text})
    staff = hire(Members({"*": "yes"}))
    await staff.meet(QUESTION, workspace=str(workspace))
    assert all("README.md:3\nThe bridge is safe below nine tons." in p for p in staff.prompts)


async def test_paid_members_are_paid_from_the_budget(hire: Hire) -> None:
    staff = hire(Members({"*": "yes"}), local=(), cloud=True)
    state = await staff.meet(QUESTION)
    assert state["outcome"]["status"] == "answered", state["outcome"]["error"]
    assert state["outcome"]["cost_usd"] == sum(vote["cost_usd"] for vote in state["votes"]) > 0
    assert {vote["model"] for vote in state["votes"]} == {CLOUD}


async def test_a_private_task_is_not_put_before_members_in_the_cloud(hire: Hire) -> None:
    staff = hire(local=(), cloud=True)
    state = await staff.meet(QUESTION, labels=["private"])
    assert state["seats"] == [] and not staff.prompts
