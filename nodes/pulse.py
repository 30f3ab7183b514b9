"""Pulse stage: what the team does now goes into the context."""

from agora import team
from nodes.stage import stage
from nodes.states import TaskState


@stage
async def pulse(state: TaskState) -> TaskState:
    """Add what the newest events of the stream say."""
    return {"context": state["context"] | {"pulse": await team.current().learning.pulse()}}
