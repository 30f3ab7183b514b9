"""The stages that plan and choose: planning and bidding."""

from pathlib import Path

from tests.conftest import repository
from tests.running import Hire

TOOL = 'def divide(a: float, b: float) -> float:\n    """Return a / b."""\n    return a / b\n'


async def test_the_plan_names_domains_and_tools(hire: Hire, tmp_path: Path) -> None:
    staff = hire()
    workspace = repository(tmp_path / "w", {"calc.py": TOOL})
    await staff.ask("Which python function divides?", workspace=str(workspace))
    state = await staff.state()
    plan = state["plan"]
    assert plan["tools"] == ["calc.divide"] == state["context"]["tools"]
    assert max(plan["mix"], key=plan["mix"].__getitem__) == "software" and plan["is_whole"]
    assert abs(sum(plan["mix"].values()) - 1) < 1e-9


async def test_a_declared_domain_is_taken_at_its_word(hire: Hire) -> None:
    staff = hire()
    await staff.ask("Which python function divides?", domain="law")
    state = await staff.state()
    assert state["plan"]["mix"] == {"law": 1.0} and state["plan"]["tools"] == []
    overlaps = {bid["expert"]: bid["overlap"] for bid in state["bids"]}
    assert (overlaps["risk"], overlaps["engineer"], overlaps["generalist"]) == (1.0, 0.0, 0.5)


async def test_bids_stand_best_first_and_the_best_wins(hire: Hire) -> None:
    staff = hire(local=("qwen3:8b", "llama3.2:3b"))
    await staff.ask("Explain a compiler bug in this python function")
    state = await staff.state()
    scores = [bid["score"] for bid in state["bids"] if bid["score"] is not None]
    assert scores == sorted(scores, reverse=True) and len(scores) == 8
    assert state["award"]["winner"] == state["bids"][0]
    assert state["award"]["winner"]["expert"] == "engineer"
    assert state["award"]["runner_up"] == scores[1]


async def test_who_may_not_bid_says_why(hire: Hire) -> None:
    staff = hire()
    await staff.ask("What is six by seven?")
    said = {bid["expert"]: bid["reasons"] for bid in (await staff.state())["bids"]}
    assert said["librarian"] == ["there is no git workspace to read"]
    assert said["repairer"] == ["repairs tools: `agora fix WORKSPACE --test CMD`"]


async def test_without_a_bid_the_task_goes_to_reflection(hire: Hire) -> None:
    staff = hire(local=())
    outcome = await staff.ask("What is six by seven?")
    state = await staff.state()
    assert outcome["status"] == "declined" and state["award"] is None
    assert (await staff.entered())[-1] == "reflection"
