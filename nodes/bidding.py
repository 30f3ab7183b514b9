"""Bidding stage: the task is put up for auction."""

from typing import Literal

from langgraph.types import Command

from agora import team
from agora.domain.contracts import AgentTask, Json
from nodes.stage import stage
from nodes.states import TaskState
from nodes.tracing import judge, note


@stage
async def bidding(state: TaskState) -> Command[Literal["execution", "reflection"]]:
    """Add every bid, best first, and the award; without one the task ends here."""
    task = AgentTask.model_validate(state["task"])
    sold = await team.current().market.hold(
        task, state["plan"], state.get("tried", []), state["context"]["ends_at"]
    )
    bids = [bid.as_json() for bid in sold.auction.bids]
    note(bids=bids, policy=task.policy, mix=state["plan"]["mix"])
    if sold.auction.award is None:
        judge("policy_violation", 1.0 if sold.is_forbidden else None)
        outcome = _last(state.get("tried", []), sold.hint) or sold.nobody().as_json()
        return Command(update={"bids": bids, "award": None, "outcome": outcome}, goto="reflection")
    award = sold.auction.award.as_json()
    note(award=award)
    return Command(update={"bids": bids, "award": award}, goto="execution")


def _last(tried: list[Json], hint: str) -> Json | None:
    """Return what the last one made of the task, with the fault that kept another from it."""
    if not tried:
        return None
    last: Json = tried[-1]["outcome"]
    fault = next((one["outcome"] for one in tried if one["outcome"]["fault"]), last)
    known = {"error": last["error"] or fault["error"], "hint": last["hint"] or fault["hint"]}
    return last | known | ({} if known["hint"] else {"hint": hint})
