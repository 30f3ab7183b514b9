import json
import time
from collections.abc import Sequence
from typing import Any

from agora.domain.lanes import Lanes
from tests.conftest import ask
from tests.running import Hire, Staff, refusing, task_in

LIST = "Answer each:\n1. What is two by two?\n2. What is six by seven?\n3. What is nine by nine?"
TEXT = "Describe the sea, and then the mountains beside it"

Steps = list[tuple[str, list[int]]]


def echo(messages: Sequence[Any]) -> str:
    return f"done: {task_in(messages).splitlines()[-1]}"


class Planner:
    """Plan what is given where a plan is asked for, and echo every other task."""

    def __init__(self, *plans: Steps, failing: str = "never") -> None:
        self.plans, self.failing = list(plans), failing

    def __call__(self, messages: Sequence[Any]) -> str:
        if "Split the task below" in str(messages[1]["content"]):
            steps = self.plans.pop(0)
            return json.dumps({"subtasks": [{"text": t, "after": after} for t, after in steps]})
        if self.failing in task_in(messages):
            return refusing(messages)
        return echo(messages)


def asked(staff: Staff) -> list[str]:
    """Return the tasks that experts were given, without those to plan."""
    bodies = [exchange.body["messages"] for exchange in staff.server.exchanges]
    return [task_in(body) for body in bodies if "Split the task" not in body[1]["content"]]


async def test_a_task_is_done_whole_unless_something_speaks_for_splitting_it(hire: Hire) -> None:
    staff = hire()
    await staff.ask(TEXT)
    plan = (await staff.state())["plan"]
    assert plan["is_whole"] and "no decomposition was asked for" in plan["reason"]
    assert len(staff.server.exchanges) == 1


async def test_a_list_is_split_without_asking_a_model_for_a_plan(hire: Hire) -> None:
    staff = hire(echo)
    outcome = await staff.ask(LIST, split=True)
    assert len(staff.server.exchanges) == 3 and outcome["status"] == "answered"
    assert [f"{n}. " in outcome["answer"] for n in (1, 2, 3)] == [True] * 3
    assert outcome["answer"].count("[") == 3, "each result names its source"
    tasks = await ask(staff.team, "SELECT id, status FROM tasks ORDER BY id")
    parent = (await staff.state())["task"]["id"]
    assert [row["id"] for row in tasks] == [parent, *(f"{parent}.{n}" for n in (1, 2, 3))]
    assert {row["status"] for row in tasks} == {"answered"}


async def test_parts_for_different_experts_are_split_without_being_asked(hire: Hire) -> None:
    staff = hire(echo)
    text = "Please:\n1. write a python function that sorts\n2. say whether the contract is legal"
    await staff.ask(text)
    plan = (await staff.state())["plan"]
    assert not plan["is_whole"] and "need different experts: law, software" in plan["reason"]
    assert len(staff.server.exchanges) == 2


async def test_who_wants_it_whole_gets_it_whole(hire: Hire) -> None:
    staff = hire(echo)
    text = "Please:\n1. write a python function that sorts\n2. say whether the contract is legal"
    await staff.ask(text, split=False)
    assert len(staff.server.exchanges) == 1


async def test_side_effects_are_never_split(hire: Hire) -> None:
    staff = hire(echo)
    await staff.ask(LIST, split=True, labels=["side_effects"])
    assert "side effects" in (await staff.state())["plan"]["reason"]
    assert len(staff.server.exchanges) == 1


async def test_a_planned_subtask_waits_for_what_it_builds_on(hire: Hire) -> None:
    plan: Steps = [
        ("Measure the sea", []),
        ("Measure the hill", []),
        ("Compare both of them", [1, 2]),
    ]
    staff = hire(Planner(plan))
    outcome = await staff.ask(TEXT, split=True)
    assert asked(staff)[-1] == "Compare both of them" and len(asked(staff)) == 3
    last = staff.prompts[-1]
    assert "Known already: done: Measure the sea" in last and "done: Measure the hill" in last
    assert outcome["answer"].index("Measure the sea") < outcome["answer"].index("Compare both")


async def test_the_plan_is_changed_where_a_subtask_fails_and_no_deeper_than_two_levels(
    hire: Hire,
) -> None:
    first: Steps = [("Measure the sea", []), ("Weigh the impossible hill", [])]
    second: Steps = [("Weigh the impossible stone", []), ("Weigh some other stone", [])]
    staff = hire(Planner(first, second, failing="impossible"))
    outcome = await staff.ask(TEXT, split=True)
    plan = (await staff.state())["plan"]
    assert [one["id"] for one in plan["subtasks"]] == ["1", "2", "2.1", "2.2"]
    assert outcome["status"] == "answered" and "1 of 3 subtasks have failed" in outcome["error"]
    assert "done: Weigh some other stone" in outcome["answer"] and "not done" in outcome["answer"]
    assert not await ask(staff.team, "SELECT FROM answers WHERE task_id NOT LIKE '%%.%%'")


async def test_without_a_plan_the_task_is_done_whole(hire: Hire) -> None:
    staff = hire(Planner([("Only one", [])]))
    outcome = await staff.ask(TEXT, split=True)
    assert outcome["answer"] == f"done: {TEXT}"
    assert "no plan was found" in (await staff.state())["plan"]["reason"]


async def test_a_hanging_subtask_costs_its_own_time_and_not_the_others(hire: Hire) -> None:
    staff = hire(echo, **{"plan.subtask_s": 10})
    staff.server.fault = lambda exchange: "hang" if "six by seven" in exchange.prompt else None
    begun = time.monotonic()
    outcome = await staff.ask(LIST, split=True)
    assert time.monotonic() - begun < 60
    assert "1 of 3 subtasks have failed" in outcome["error"]
    assert "two by two" in outcome["answer"] and "nine by nine" in outcome["answer"]


async def test_subtasks_share_the_budget_and_their_costs_are_the_tasks(hire: Hire) -> None:
    staff = hire(echo, local=(), cloud=True)
    outcome = await staff.ask(LIST, split=True, budget_usd=0.1)
    rows = await ask(staff.team, "SELECT sum(cost_usd)::float8 AS usd FROM acts")
    assert outcome["cost_usd"] == rows[0]["usd"] > 0
    names = await ask(staff.team, "SELECT name FROM budgets WHERE name LIKE 'task:%%'")
    assert [row["name"] for row in names] == [f"task:{(await staff.state())['task']['id']}"]


async def test_a_second_task_on_the_thread_begins_without_the_parts_of_the_first(
    hire: Hire,
) -> None:
    staff = hire(echo)
    await staff.ask(LIST, split=True)
    assert len((await staff.state())["parts"]) == 3
    await staff.ask(TEXT)
    assert not (await staff.state())["parts"]


async def test_more_lanes_are_opened_as_long_as_they_gain_and_the_next_plan_begins_so(
    hire: Hire,
) -> None:
    items = "\n".join(f"{n}. Tell the number {n}" for n in range(1, 11))
    staff = hire(echo, **{"plan.subtasks": 10})
    staff.server.manner.first_token_s = 2.0  # much more than the rest of a task takes
    await staff.ask(f"Do:\n{items}", split=True)
    (ran,) = await staff.events("plan.ran")
    assert ran["width"] > 3 and ran["rate"] > 0


def test_lanes_that_gain_nothing_are_closed_again() -> None:
    lanes = Lanes(3).measured(3, 3.0, 10)
    assert lanes.width == 6
    assert lanes.measured(6, 6.0, 10).width == 3, "six at once were no quicker"
    assert lanes.measured(6, 3.0, 10).width == 10
    assert lanes.measured(6, 3.0, 10).measured(10, 3.0, 10).width == 10
