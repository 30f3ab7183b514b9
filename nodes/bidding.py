"""Bidding stage: the task is put up for auction."""

from typing import Literal

from langgraph.types import Command

from agora import team
from agora.domain.contracts import AgentTask
from nodes.stage import stage
from nodes.states import TaskState


@stage
async def bidding(state: TaskState) -> Command[Literal["execution", "reflection"]]:
    """Add every bid, best first, and the award; without one the task ends here."""
    task = AgentTask.model_validate(state["task"])
    sold = await team.current().market.hold(
        task, state["plan"], state.get("tried", []), state["context"]["ends_at"]
    )
    bids = [bid.as_json() for bid in sold.auction.bids]
    if sold.auction.award is None:
        outcome = sold.nobody().as_json()
        if last := state.get("outcome"):  # what it said is worth more than that nobody is left
            outcome = last | {"hint": last["hint"] or sold.hint}
        return Command(update={"bids": bids, "award": None, "outcome": outcome}, goto="reflection")
    award = sold.auction.award.as_json()
    return Command(update={"bids": bids, "award": award}, goto="execution")
