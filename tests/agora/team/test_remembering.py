import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from agora.domain.contracts import AgentOutcome, AgentTask, ToolCall
from agora.domain.recollection import HIGH
from agora.team import Team
from memory import memories
from memory.memories import Memory
from tests.conftest import ask
from tests.running import Hire, Staff, refusing, task_in

DEPLOY = "How do I deploy the billing service?"
LIKE_IT = "What is needed to deploy the billing service again?"


async def remember(team: Team, *given: Memory) -> None:
    async with team.database.transaction() as connection:
        for one in given:
            await memories.remember(connection, one, timedelta(days=1))


async def told(staff: Staff, text: str, on: str, **fields: Any) -> str:
    """Ask, and return what the expert was told of earlier work."""
    await staff.ask(text, on=on, **fields)
    prompt = next(one for one in reversed(staff.prompts) if "<memories>" in one)
    return prompt.partition("<memories>")[2].partition("</memories>")[0].strip()


def memory(text: str, **more: Any) -> Memory:
    given: dict[str, Any] = {"tenant": "default", "kind": "reflection", "origin": "task-0"} | more
    return Memory(text=text, **given)


async def quality(team: Team, text: str) -> float:
    (row,) = await ask(team, "SELECT quality FROM memories WHERE text LIKE %s", f"%{text}%")
    return float(row["quality"])


def no_judge(**more: Any) -> dict[str, Any]:
    return {"memory.judge_pairs": 0} | more


async def test_an_expert_is_told_how_a_task_of_the_kind_turned_out(hire: Hire) -> None:
    staff = hire(**no_judge())
    assert await told(staff, DEPLOY, "a") == ""
    said = await told(staff, LIKE_IT, "b")
    assert DEPLOY in said and "forty-two" in said
    assert (await staff.state("a"))["task"]["id"] in said, "with its origin"
    assert await told(staff, "Who painted the Mona Lisa?", "c") == ""


async def test_a_failure_and_what_came_after_it_are_remembered(hire: Hire) -> None:
    asked: list[Any] = []

    def script(messages: Sequence[Any]) -> str:
        asked.append(messages)
        return refusing(messages) if len(asked) == 1 else "forty-two"

    staff = hire(script, **no_judge())
    assert (await staff.ask(DEPLOY, on="a"))["status"] == "answered"
    rows = await ask(staff.team, "SELECT kind, text FROM memories ORDER BY kind")
    assert [row["kind"] for row in rows] == ["outcome", "reflection"]
    assert "failed" in rows[1]["text"] and "then" in rows[1]["text"]


@pytest.mark.parametrize("label", ["private", "untrusted"])
async def test_a_label_stays_with_what_is_remembered(hire: Hire, label: str) -> None:
    staff = hire(**no_judge())
    await staff.ask(DEPLOY, on="a", labels=[label])
    assert await told(staff, LIKE_IT, "b") == "", "not told where the label is missing"
    assert f", {label}]" in await told(staff, LIKE_IT, "c", labels=[label])


async def test_no_memory_crosses_tenants_and_none_that_is_private_a_cloud(hire: Hire) -> None:
    staff = hire(local=(), cloud=True, **no_judge())
    await remember(
        staff.team,
        memory("billing service deploys at noon", tenant="else"),
        memory("billing service password is swordfish", labels=("private",)),
        memory("billing service deploys with make deploy"),
    )
    said = await told(staff, DEPLOY, "a")
    assert "make deploy" in said and "noon" not in said
    assert not any("swordfish" in prompt for prompt in staff.prompts)


async def test_a_good_memory_comes_before_a_nearer_one_that_is_worth_little(hire: Hire) -> None:
    staff = hire(**no_judge(**{"memory.memories": 1}))
    await remember(
        staff.team,
        memory("how do I deploy the billing service: try anything", quality=0.25),
        memory("deploying the billing service wants a tag first", quality=0.9),
    )
    assert "tag first" in await told(staff, DEPLOY, "a")


async def test_quality_rises_and_falls_with_what_becomes_of_its_use(hire: Hire) -> None:
    staff = hire(**no_judge())
    await remember(staff.team, memory("the billing service is deployed by hand", quality=0.5))
    await told(staff, DEPLOY, "a")
    used = await quality(staff.team, "deployed by hand")
    assert used > 0.5, "it was told, and the task was answered"
    task_id = (await staff.state("a"))["task"]["id"]
    await staff.team.remembering.hear(task_id, "bad", "never by hand")
    assert await quality(staff.team, "deployed by hand") < used * 0.75
    assert "never by hand" in await told(staff, LIKE_IT, "b")


async def test_a_task_that_is_closed_again_moves_nothing(hire: Hire) -> None:
    staff = hire(**no_judge())
    await staff.ask(DEPLOY, on="a")
    state = await staff.state("a")
    task, rows = AgentTask.model_validate(state["task"]), "SELECT id, quality FROM memories"
    before = await ask(staff.team, rows)
    outcome = AgentOutcome.model_validate(state["outcome"])
    await staff.team.learning.close(task, outcome, state)
    assert await ask(staff.team, rows) == before


async def test_what_says_the_same_is_kept_once_and_numbers_keep_two_apart(team: Team) -> None:
    await remember(
        team,
        memory("The billing service needs Python 3.11 on its hosts", quality=0.5),
        memory("the billing service needs Python 3.11 on its hosts.", quality=0.6),
        memory("The billing service needs Python 3.12 on its hosts", quality=0.5),
        memory("the billing service needs python 3.11 on its hosts!", tenant="else"),
    )
    assert (await team.remembering.upkeep())["merged"] == 1
    left = await ask(team, "SELECT text FROM memories WHERE NOT is_archived ORDER BY id")
    assert [row["text"][:1] + row["text"][-1] for row in left] == ["t.", "Ts", "t!"]
    assert (await team.remembering.upkeep())["merged"] == 0
    await team.indexing.close()


async def test_upkeep_puts_aside_what_is_worth_little_and_keeps_what_is_good(team: Team) -> None:
    await remember(team, memory("good", quality=HIGH), memory("bad", quality=0.1))
    await remember(team, memory("old", quality=0.9))
    await ask(team, "UPDATE memories SET expires_at = now() WHERE text = 'old' RETURNING 1")
    done = await team.remembering.upkeep()
    assert (done["archived"], done["expired"]) == (1, 1)
    left = await ask(team, "SELECT text FROM memories WHERE NOT is_archived")
    assert [row["text"] for row in left] == ["good"]
    await team.indexing.close()


def test_the_task_stands_apart_from_what_is_remembered() -> None:
    prompt = "<memories>\nx\n</memories>\n<task>\ny\n</task>"
    assert task_in([{"content": prompt}]) == "y"


async def called(team: Team, number: int, *errors: str | None, **fields: Any) -> None:
    """Remember a task that has called one tool, once for each of these errors."""
    calls = [ToolCall(name="add", arguments={}, error=one, latency_s=0.5) for one in errors]
    task = AgentTask(id=f"task-{number}", text=f"How much is owed by customer {number}?", **fields)
    outcome = AgentOutcome(status="answered", answer="7", tool_calls=tuple(calls))
    for _ in range(2):  # a stage that begins again
        async with team.database.transaction() as connection:
            await team.remembering.note(connection, task, outcome, [])


async def tools(team: Team) -> list[Any]:
    return await ask(team, "SELECT * FROM memories WHERE kind = 'tool' ORDER BY id")


async def test_tasks_that_call_tools_which_others_were_told_of_do_not_wait_in_turn(
    team: Team,
) -> None:
    def calling(*names: str) -> AgentOutcome:
        calls = tuple(ToolCall(name=name, arguments={}, latency_s=0.5) for name in names)
        return AgentOutcome(status="answered", answer="7", tool_calls=calls)

    async def note(task_id: str, outcome: AgentOutcome) -> None:
        task = AgentTask(id=task_id, text="How much is owed?")
        async with team.database.transaction() as connection:
            await team.remembering.note(connection, task, outcome, [])

    await note("first", calling("add", "subtract"))
    add, subtract = [row["id"] for row in await tools(team)]
    for number in range(5):
        async with team.database.transaction() as connection:
            await memories.use(connection, [add], f"subtracts {number}")
            await memories.use(connection, [subtract], f"adds {number}")
        await asyncio.gather(
            note(f"adds {number}", calling("add")),
            note(f"subtracts {number}", calling("subtract")),
        )
    assert [row["tally"]["calls"] for row in await tools(team)] == [6, 6]


async def test_the_calls_of_a_tool_are_one_memory(team: Team) -> None:
    for number in range(20):
        await called(
            team, number, None, "ValueError: no such customer" if number % 4 == 0 else None
        )
    (row,) = await tools(team)
    assert row["text"].startswith("tool add worked in 35 of 40 calls (88 %), 0.5 s each")
    assert "last failures: ValueError: no such customer; used for:" in row["text"]
    assert row["text"].endswith("customer 19?") and "customer 3?" not in row["text"]
    near = await team.indexing.near("memories", "default", "How much does customer 19 owe?", 40)
    assert sum(one.id == row["id"] for one in near) == 1


async def test_what_a_tool_did_for_one_is_told_to_nobody_else(team: Team) -> None:
    await called(team, 1, "KeyError: alice")
    await called(team, 2, None, tenant="other")
    await called(team, 3, None, labels=("private",))
    mine, others, private = await tools(team)
    assert "alice" in mine["text"] and mine["labels"] == []
    assert "alice" not in others["text"] and others["tenant"] == "other"
    assert "1 of 1" in private["text"] and private["labels"] == ["private"]
