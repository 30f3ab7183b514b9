"""Detecting stage: claims what could be better in a workspace, or finds that all is well."""

from typing import Any, Literal

from langgraph.types import Command

from agora import team
from agora.domain.contracts import Improvement
from agora.team.acting import case
from nodes.stage import stage
from nodes.states import ImprovementState


@stage
async def detecting(
    state: ImprovementState,
) -> Command[Literal["investigating", "monitoring", "approval", "__end__"]]:
    """Go to monitoring with an alarm, to investigating with anything else.

    What is proved already, such as a prompt that has won its trial, only waits for a person.
    """
    order = Improvement.read(state["task"] | {"id": case.get().id})
    fresh: Any = {"task": order.as_json(), "opportunity": None, "change_id": None, "commit": None}
    fresh |= {"attempts": 0, "rebased": 0, "tried": 0, "status": "", "message": ""}
    fresh |= {"brief": None}
    if order.change is not None:
        return Command(update=fresh | {"change_id": order.change}, goto="approval")
    found = await team.current().repairing.detect(order)
    if found is None:
        why = await team.current().repairing.why_nothing(order)
        well = {"status": "nothing_to_repair", "message": why}
        return Command(update=fresh | well, goto="__end__")
    known = found.model_dump(include={"id", "kind", "subject", "priority"})
    where: Literal["investigating", "monitoring"]
    where = "monitoring" if found.kind == "alarm" else "investigating"
    return Command(update=fresh | {"opportunity": known}, goto=where)
