import pytest

from agora.app.takeover import take_over
from tests import killed
from tests.conftest import ask
from tests.killing import EXPIRE
from tests.running import Hire, thread

LIST = "Answer each:\n1. What is two by two?\n2. What is six by seven?\n3. What is nine by nine?"
POINTS = [
    ("agora.team.planning", "Planning", "do", 2),
    ("agora.team.answering", "Answering", "execute", 3),
    ("agora.team.learning", "Learning", "close", 3),
    ("agora.team.planning", "Planning", "join", 1),
]


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point[2]} {point[3]}")
async def test_a_killed_plan_is_finished_by_another_and_what_was_answered_stays(
    hire: Hire, point: tuple[str, str, str, int]
) -> None:
    staff = hire()
    *at, nth = point
    given = {"task": {"text": LIST, "id": "killed", "split": True}}
    order = {"graph": "task", "thread": "plan", "stage": "intake", "given": given}
    assert await killed.start(staff, ["qwen3:8b"], at=at, nth=nth, **order) == -9
    await ask(staff.team, EXPIRE, "plan")
    assert await take_over({"task": staff.task}, "plan") == ["plan"]
    outcome = (await staff.task.aget_state(thread("plan"))).values["outcome"]
    assert outcome["status"] == "answered" and outcome["error"] is None
    tasks = await ask(staff.team, "SELECT id, status FROM tasks ORDER BY id")
    assert [row["id"] for row in tasks] == ["killed", *(f"killed.{n}" for n in (1, 2, 3))]
    assert {row["status"] for row in tasks} == {"answered"}
    done = "SELECT case_id, attempt FROM acts WHERE kind = 'ask_model' AND status = 'done'"
    acts = await ask(staff.team, done)
    assert sorted(act["case_id"] for act in acts) == [f"killed.{n}" for n in (1, 2, 3)]
    judged = await staff.events("outcome.judged")
    assert len(judged) == 3, "each subtask counts once"
