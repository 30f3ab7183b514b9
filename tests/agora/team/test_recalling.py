import uuid
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from agora.app import reports
from agora.domain.contracts import AgentOutcome, AgentTask, ToolCall
from agora.team.acting import standing_alone
from tests.conftest import ask, commit, repository
from tests.judges import comparing
from tests.running import Hire, Staff

QUESTION = "What is the capital of France?"


async def is_repeated(staff: Staff, text: str, *fields: dict[str, Any]) -> bool:
    """Ask once for each set of fields and return whether the last answer came from memory."""
    for number, one in enumerate(fields):
        outcome = await staff.ask(text, on=f"{text} {number}", **one)
    return bool(outcome["cached"])


async def test_the_same_question_is_answered_from_memory(hire: Hire) -> None:
    staff = hire()
    assert await is_repeated(staff, QUESTION, {}, {})
    assert await is_repeated(staff, QUESTION.upper(), {})
    assert not await is_repeated(staff, "What is the capital of Germany?", {})


@pytest.mark.parametrize(
    "other",
    [{"tenant": "else"}, {"domain": "history"}, {"requires": ["json"]}, {"labels": ["private"]}],
    ids=lambda other: next(iter(other)),
)
async def test_what_is_known_stays_in_its_scope(hire: Hire, other: dict[str, Any]) -> None:
    assert not await is_repeated(hire(), QUESTION, {}, other)


@pytest.mark.parametrize("label", ["private", "side_effects", "untrusted"])
async def test_what_is_labelled_is_not_kept(hire: Hire, label: str) -> None:
    assert not await is_repeated(hire(), QUESTION, {"labels": [label]}, {})


async def test_private_answers_are_kept_for_private_tasks_where_settings_say_so(
    hire: Hire,
) -> None:
    staff = hire(**{"memory.also_keep": ["private"]})
    private = {"labels": ["private"]}
    assert await is_repeated(staff, QUESTION, private, private)
    assert not await is_repeated(staff, QUESTION, {}), "to nobody else"


@pytest.mark.parametrize(
    "text",
    ["What is my birthday?", "What is the weather now?", "Delete the oldest backup"],
    ids=["personal", "live", "side effect"],
)
async def test_what_depends_on_the_moment_is_asked_anew(hire: Hire, text: str) -> None:
    staff = hire()
    assert not await is_repeated(staff, text, {}, {}) and len(staff.prompts) == 2
    assert await ask(staff.team, "SELECT FROM answers") == []


async def test_a_workspace_that_has_changed_is_another_scope(hire: Hire, tmp_path: Path) -> None:
    staff = hire()
    workspace = repository(tmp_path / "w", {"a.py": "x = 1\n"})
    same = {"workspace": str(workspace)}
    assert await is_repeated(staff, QUESTION, same, same)

    (workspace / "a.py").write_text("x = 2\n")
    assert not await is_repeated(staff, QUESTION, same), "uncommitted work"
    commit(workspace, "two")
    assert not await is_repeated(staff, QUESTION, same), "another commit"
    assert await is_repeated(staff, QUESTION, same)


async def test_an_answer_lives_as_long_as_the_settings_say(hire: Hire) -> None:
    staff = hire()
    await staff.ask(QUESTION)
    await ask(staff.team, "UPDATE answers SET expires_at = clock_timestamp() RETURNING 1")
    assert not await is_repeated(staff, QUESTION, {})
    assert await is_repeated(staff, QUESTION, {}), "the fresh answer took the dead one's place"


async def test_a_failure_is_not_remembered(hire: Hire) -> None:
    staff = hire()
    staff.server.fail("empty")
    await staff.ask(QUESTION, requires=["software"])
    assert await ask(staff.team, "SELECT FROM answers") == []


async def test_what_was_answered_with_tools_or_without_confidence_is_not_kept(hire: Hire) -> None:
    recalling = hire().team.recalling
    sure = AgentOutcome(status="answered", answer="42", confidence=0.9)
    task = AgentTask(id="task-1", text=QUESTION)
    for unfit in (
        sure.but(confidence=0.1),
        sure.but(tool_calls=(ToolCall(name="now", arguments={}),)),
        sure.but(status="failed"),
        sure.but(cached=True),
    ):
        await recalling.keep(task, unfit)
        assert await recalling.find(task) is None
    await recalling.keep(task, sure)
    assert await recalling.find(task) is not None


async def test_an_answer_from_untrusted_text_is_served_to_nobody(hire: Hire) -> None:
    staff = hire()
    await staff.ask(QUESTION, on="a", labels=["untrusted"])
    assert await ask(staff.team, "SELECT FROM answers") == []
    assert not (await staff.ask(QUESTION, on="b"))["cached"]


async def test_a_hit_counts_once_a_task_and_says_what_it_has_saved(hire: Hire) -> None:
    staff = hire(cloud=True, local=())
    paid = await staff.ask(QUESTION, on="a")
    await staff.ask(QUESTION, on="b")
    task = AgentTask.model_validate((await staff.state("b"))["task"])
    await staff.team.recalling.find(task)
    told = await reports.cache(staff.team)
    assert told["hits"] == told["exact"] == 1 and told["entries"] == 1
    assert told["saved_usd"] == pytest.approx(paid["cost_usd"]) and paid["cost_usd"] > 0


QUESTIONS = ["What is DNS?", "what is the meaning of DNS", "How do I cook rice?", "Why is it?"]


@hypothesis.settings(
    max_examples=15,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(
    asked=strategies.lists(
        strategies.tuples(
            strategies.sampled_from(["a", "b", "A", "a ", "b/c"]),
            strategies.sampled_from(QUESTIONS) | strategies.text(min_size=1, max_size=40),
        ),
        min_size=1,
        max_size=8,
    )
)
async def test_no_tenant_ever_sees_the_answer_of_another(
    hire: Hire, asked: list[tuple[str, str]]
) -> None:
    recalling = hire(comparing(lambda one, other: "spider" not in one)).team.recalling
    for number, (tenant, text) in enumerate(asked):
        task = AgentTask(id=f"{tenant}-{number}-{uuid.uuid4()}", text=text, tenant=tenant)
        with standing_alone(task.id, "recall"):
            found = await recalling.find(task)
        assert found is None or found.answer == f"for {tenant!r}"
        answer = AgentOutcome(status="answered", answer=f"for {tenant!r}", confidence=1)
        await recalling.keep(task, answer)
