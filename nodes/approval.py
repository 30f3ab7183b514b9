"""Approval stage: a person sees the change before anything happens."""

from typing import Any, Literal

from langgraph.types import Command, interrupt

from agora import team
from agora.domain.contracts import Json
from nodes.stage import stage
from nodes.states import ImprovementState
from nodes.tracing import judge

DECISIONS = ("approve", "edit", "reject")


@stage
async def approval(
    state: ImprovementState,
) -> Command[Literal["testing", "deploying", "__end__"]]:
    """Interrupt with the change and go where the person's decision leads."""
    changing, change_id = team.current().changing, str(state["change_id"])
    request = await changing.request(change_id)
    answer = interrupt(request)
    while (decision := read(answer)) is None:
        # Only a clear word counts: a mistyped or empty resume leaves the change waiting.
        answer = interrupt(request | {"problem": f"not a decision: {answer!r}"})
    said = await changing.hear(change_id, decision)
    judge("human_override", said != "approve")
    if said == "edit":
        edited = await changing.edited(change_id)
        # Another diff: what the tests said of the first one was kept, and does not stand for it.
        anew: Any = {"change_id": edited, "rebased": state.get("rebased", 0) + 1}
        return Command(update=anew, goto="testing")
    if said == "approve":
        return Command(goto="deploying")
    return Command(update={"status": "rejected", "message": "rejected"}, goto="__end__")


def read(answer: Any) -> Json | None:
    """Return the one decision in `{"decisions": [{"type": …}]}`, or None."""
    decisions = answer.get("decisions") if isinstance(answer, dict) else None
    if not isinstance(decisions, list) or len(decisions) != 1 or not isinstance(decisions[0], dict):
        return None
    return decisions[0] if decisions[0].get("type") in DECISIONS else None
