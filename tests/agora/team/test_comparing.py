import asyncio
import json
from collections.abc import Sequence
from itertools import count
from typing import Any

from agora.team import Team
from tests.conftest import ask
from tests.running import Hire, Staff, task_in

LIST = "Answer each:\n1. What is two by two?\n2. What is six by seven?\n3. What is nine by nine?"
PAIR = ("qwen3:8b", "llama3.2:3b")


class Office:
    """Answers tasks, joins answers, and grades: right is what contains one of these words."""

    def __init__(self, *right: str, split: str = "split", joined: str = "joined") -> None:
        self.right, self.split, self.joined, self.numbers = right, split, joined, count()

    def __call__(self, messages: Sequence[Any]) -> str:
        asked = str(messages[-1]["content"])
        if "Decide whether the answer below" in asked:
            answer = asked.partition("<answer>")[2].partition("</answer>")[0]
            return json.dumps({"right": any(word in answer for word in self.right)})
        if "Two experts have done the task" in asked:
            return self.joined
        task = task_in(messages)
        return (
            f"{self.split} {task[-20:]}" if task.count("\n") == 1 else f"whole {next(self.numbers)}"
        )


async def verdicts(team: Team) -> list[tuple[str, str, int, int]]:
    rows = await ask(team, "SELECT kind, status, wins, losses FROM trials ORDER BY kind")
    return [(row["kind"], row["status"], row["wins"], row["losses"]) for row in rows]


async def work(staff: Staff, text: str, times: int, **fields: Any) -> None:
    for number in range(times):
        await staff.ask(f"{text} ({number})", on=f"{text}{number}", **fields)
        await staff.team.comparing.run()


def office(hire: Hire, script: Office, **more: Any) -> Staff:
    return hire(
        script, local=PAIR, cloud=True, **{"plan.trial_share": 1.0, "memory.judge_pairs": 0} | more
    )


async def test_splitting_is_used_once_a_trial_has_shown_that_it_pays(hire: Hire) -> None:
    staff = office(hire, Office("split"))
    await work(staff, LIST, 7)
    assert ("plan", "promoted", 7, 0) in await verdicts(staff.team)
    outcome = await staff.ask(f"{LIST} (again)", on="again")
    assert outcome["expert"] == "plan" and "split" in outcome["answer"]
    reason = (await staff.state("again"))["plan"]["reason"]
    assert "splitting has paid off" in reason and "better in 7 of 7" in reason


async def test_a_way_that_does_not_pay_is_dropped_and_costs_no_more(hire: Hire) -> None:
    staff = office(hire, Office("whole"))
    await work(staff, LIST, 4)
    told = await verdicts(staff.team)
    assert ("plan", "dropped", 0, 4) in told and ("synthesis", "dropped", 0, 4) in told
    asked = len(staff.prompts)
    await work(staff, f"{LIST} and so on", 1)
    assert len(staff.prompts) == asked + 1
    assert (await staff.state(f"{LIST} and so on0"))["plan"]["is_whole"]


async def test_two_answers_are_joined_once_that_is_shown_to_be_better(hire: Hire) -> None:
    staff = office(hire, Office("joined"))
    await work(staff, "What is the sea?", 7)
    assert ("synthesis", "promoted", 7, 0) in await verdicts(staff.team)
    outcome = await staff.ask("What is a river?", on="river")
    assert (outcome["expert"], outcome["answer"]) == ("synthesis", "joined")
    state = await staff.state("river")
    spent = await ask(
        staff.team,
        "SELECT sum(cost_usd)::float8 AS usd FROM acts WHERE case_id = %s",
        state["task"]["id"],
    )
    assert outcome["cost_usd"] == spent[0]["usd"]


async def test_a_way_whose_success_drops_is_switched_off(hire: Hire) -> None:
    script = Office("joined")
    staff = office(hire, script)
    await work(staff, "What is the sea?", 7)
    script.right = ("nothing",)
    await work(staff, "What is a river?", 8)
    assert ("synthesis", "reverted", 7, 0) in await verdicts(staff.team)
    outcome = await staff.ask("What is a lake?", on="lake")
    assert outcome["expert"] != "synthesis"


async def test_what_may_have_an_effect_is_never_done_twice(hire: Hire) -> None:
    staff = office(hire, Office("split"))
    await work(staff, LIST, 1, labels=["side_effects"])
    assert await verdicts(staff.team) == [] and len(staff.prompts) == 1


async def test_no_task_is_done_another_way_where_settings_say_so(hire: Hire) -> None:
    staff = office(hire, Office("split"), **{"plan.trial_share": 0.0})
    await work(staff, LIST, 1)
    assert len(staff.prompts) == 1 and await verdicts(staff.team) == []


async def test_two_workers_share_the_tasks_between_them(hire: Hire) -> None:
    staff = office(hire, Office("split"))
    await staff.ask(LIST)
    counted = await asyncio.gather(*(staff.team.comparing.run() for _ in range(3)))
    assert sorted(counted) == [0, 0, 2]
