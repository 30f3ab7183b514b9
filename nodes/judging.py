"""Judging stage: a model of a family that is not at the table chooses among the answers."""

from agora import team
from agora.domain.contracts import AgentTask
from nodes.stage import stage
from nodes.states import RoomState
from nodes.streaming import tell


@stage
async def judging(state: RoomState) -> RoomState:
    """Add the judge's choice."""
    task = AgentTask.model_validate(state["task"])
    chosen = await team.current().meeting.judge(task, state["table"], state["votes"], tell)
    return {"judge": chosen}
