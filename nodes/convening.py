"""Convening stage: after improvements in vain, a war room meets on the report."""

from agora import team
from agora.domain.contracts import Improvement
from nodes.stage import stage
from nodes.states import ImprovementState
from nodes.streaming import tell


@stage
async def convening(state: ImprovementState) -> ImprovementState:
    """Add the ruling as the brief of the next attempt."""
    order = Improvement.model_validate(state["task"])
    assert state["opportunity"]
    brief = await team.current().repairing.convene(order, state["opportunity"]["id"], tell)
    return {"brief": brief}
