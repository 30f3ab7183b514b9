import pytest
from pydantic import ValidationError

from agora.domain.contracts import Act, AgentOutcome, AgentTask, Bid, Case, Change, TestReport

CASE = Case("task-1", "thread", "execution", 7, 2)
CHANGE = Change(id="c", subject="a.py", workspace="/w", base="0", diff="--- a\n", at="2026-01-01")


def test_a_contract_cannot_be_changed_and_refuses_what_it_does_not_know() -> None:
    task = AgentTask(text="x")
    with pytest.raises(ValidationError):
        task.text = "y"
    with pytest.raises(ValidationError, match="colour"):
        AgentTask.model_validate({"text": "x", "colour": "red"})


def test_a_changed_copy_is_validated_like_the_original() -> None:
    task = AgentTask(text="x", labels=("private",))
    assert task.but(text="y").labels == ("private",) and task.text == "x"
    with pytest.raises(ValidationError):
        task.but(deadline_s=-1)


def test_a_contract_comes_back_from_json_as_it_was() -> None:
    outcome = AgentOutcome.model_validate(
        {
            "status": "answered",
            "evidence": [{"path": "a.md", "line": 3, "quote": "q"}],
            "tool_calls": [{"name": "t", "arguments": {"a": 1}}],
        }
    )
    assert isinstance(outcome.as_json()["evidence"], list)
    assert AgentOutcome.model_validate(outcome.as_json()) == outcome


@pytest.mark.parametrize(
    "wrong",
    [{"text": ""}, {"budget_usd": -1}, {"deadline_s": 0}, {"urgency": "soon"}, {"labels": "x"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_task_has_sensible_limits(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AgentTask.model_validate({"text": "x"} | wrong)


def test_a_task_of_a_megabyte_is_none() -> None:
    with pytest.raises(ValidationError, match="at most 100000"):
        AgentTask(text="x" * 1_000_000)


def test_a_bidder_is_an_expert_on_its_model() -> None:
    assert Bid(expert="risk", model="m", p_success=0.5).name == "risk@m"
    assert Bid(expert="librarian", p_success=0.5).name == "librarian"


def test_an_approval_stands_for_the_bytes_of_a_diff() -> None:
    assert CHANGE.digest == CHANGE.but(title="another").digest
    assert CHANGE.digest != CHANGE.but(diff="--- a\r\n").digest


def test_a_report_proves_only_what_failed_before_and_passes_now() -> None:
    proof = TestReport(failing_before=("t",), failing_after=(), passing_after=("t",), seconds=1)
    assert proof.is_proof
    assert not proof.but(failing_before=()).is_proof
    assert not proof.but(failing_after=("u",)).is_proof
    assert not proof.but(passing_after=()).is_proof, "nothing was run"


def test_an_act_is_named_by_where_it_is_done() -> None:
    act = Act(kind="ask_model", subject="m", ordinal=3)
    assert act.key(CASE) == "task-1/execution/2/ask_model/3"
    keys = {
        act.but(ordinal=4).key(CASE),
        act.but(kind="call_tool").key(CASE),
        act.key(Case("task-2", "thread", "execution", 7, 2)),
        act.key(Case("task-1", "thread", "vote", 7, 2)),
        act.key(Case("task-1", "thread", "execution", 7, 3)),
    }
    assert len(keys) == 5 and act.key(CASE) not in keys
    elsewhere = Case("task-1", "another thread", "execution", 8, 2)
    assert act.but(actor="other").key(elsewhere) == act.key(CASE), "a repeated node finds it"


def test_a_subtask_shares_its_parents_correlation_id() -> None:
    assert Case("task-1.2", "thread", "s", None).correlation_id == "task-1"
    assert CASE.correlation_id == "task-1"
