"""Investigating stage: what fails, where, and with which inputs."""

from agora import team
from agora.domain.contracts import Improvement
from nodes.stage import stage
from nodes.states import ImprovementState
from nodes.streaming import tell


@stage
async def investigating(state: ImprovementState) -> ImprovementState:
    """Add a report to the opportunity."""
    order = Improvement.model_validate(state["task"])
    assert state["opportunity"]
    report = await team.current().repairing.investigate(order, state["opportunity"]["id"])
    tell("report", text=report)
    return {"message": report.partition("\n")[0]}
