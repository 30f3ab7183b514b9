"""Execution stage: the winner does the task, and its result is validated before it counts."""

from typing import Literal

from langgraph.types import Command

from agora import team
from agora.domain.contracts import AgentContext, AgentTask, Award, Bid, Json
from nodes.stage import stage
from nodes.states import TaskState
from nodes.streaming import tell
from nodes.tracing import judge, note

ATTEMPTS = 2
"""So many experts fail before the war room meets."""
SEATS = 3
"""So many must be able to bid, or an urgent task is not worth a meeting."""
TRACED = {"status", "expert", "model", "cost_usd", "is_estimate", "tokens", "latency_s", "fault"}


@stage
async def execution(
    state: TaskState,
) -> Command[Literal["bidding", "war_room", "reflection"]]:
    """Let the winner answer; go back to the auction without it once, then convene the war room."""
    task = AgentTask.model_validate(state["task"])
    award = Award.model_validate(state["award"])
    may_meet = team.current().capabilities.has("war_room", task.id)
    is_first = may_meet and not state.get("tried")
    if is_first and task.urgency == "urgent" and _able(state) >= SEATS:
        return Command(goto="war_room")
    context = AgentContext.model_validate(
        state["context"] | {"attempt": len(state.get("tried", []))}
    )
    if state["plan"].get("synthesis"):
        bids = [Bid.model_validate(bid) for bid in state["bids"]]
        outcome = await team.current().synthesising.execute(task, context, award, bids, tell)
    else:
        outcome = await team.current().answering.execute(task, context, award, tell)
    note(**outcome.model_dump(mode="json", include=TRACED))
    if outcome.status == "answered":
        return Command(update={"outcome": outcome.as_json()}, goto="reflection")
    tried = [*state.get("tried", []), {"award": award.as_json(), "outcome": outcome.as_json()}]
    changes = {"outcome": outcome.as_json(), "tried": tried, "attempts": len(tried)}
    if outcome.status == "refused" and not outcome.fault:
        judge("policy_violation", 1.0)
        return Command(update=changes, goto="reflection")
    if _wrong(tried) < ATTEMPTS:
        return Command(update=changes, goto="bidding")
    return Command(update=changes, goto="war_room" if may_meet else "reflection")


def _wrong(tried: list[Json]) -> int:
    """Count those who have answered, and wrongly; a server's fault is no failure of its expert.

    Each fault keeps one more model out of the next auction, so that this comes to an end.
    """
    return sum(not one["outcome"]["fault"] for one in tried)


def _able(state: TaskState) -> int:
    return sum(Bid.model_validate(bid).score is not None for bid in state["bids"])
