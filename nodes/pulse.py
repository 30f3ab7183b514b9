"""Pulse stage: what the team does now goes into the context."""

from agora import team
from nodes.stage import stage
from nodes.states import TaskState


@stage
async def pulse(state: TaskState) -> TaskState:
    """Add the newest pulse, and what has happened since."""
    current, task = team.current(), state["task"]
    told = await current.capabilities.attempt(
        "pulse", task["id"], lambda: current.pulsing.told(task["labels"], task["tenant"]), ""
    )
    return {"context": state["context"] | {"pulse": told}}
