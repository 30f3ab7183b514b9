"""Improving stage: rivals are searched, and the best of them is proposed."""

from typing import Any, Literal

from langgraph.types import Command

from agora import team
from agora.domain.contracts import Improvement
from nodes.stage import stage
from nodes.states import ImprovementState
from nodes.streaming import tell

MEETS_AFTER = 2
"""After so many attempts in vain experts meet on the report, where there are any."""
ATTEMPTS = 4
"""So often a patch is looked for: for all failures together, then for one place after another."""


@stage
async def improving(
    state: ImprovementState,
) -> Command[Literal["improving", "convening", "testing", "__end__"]]:
    """Propose a change, or look for a smaller one; say so when there is none."""
    order, attempt = Improvement.model_validate(state["task"]), state["attempts"]
    assert state["opportunity"]
    repairing, opportunity_id = team.current().repairing, state["opportunity"]["id"]
    brief = state.get("brief")
    if attempt == MEETS_AFTER and brief is None:
        return Command(goto="convening")
    change_id, tried = await repairing.improve(order, opportunity_id, attempt, tell, brief or "")
    changes: Any = {"attempts": attempt + 1, "tried": state["tried"] + tried}
    if change_id is not None:
        return Command(update=changes | {"change_id": change_id}, goto="testing")
    if attempt + 1 < ATTEMPTS and await repairing.is_worth_another(opportunity_id, attempt + 1):
        return Command(update=changes, goto="improving")
    message = await repairing.give_up(opportunity_id, changes["tried"])
    return Command(update=changes | {"status": "not_found", "message": message}, goto="__end__")
