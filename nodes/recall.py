"""Recall stage: the same question in the same scope gets the answer that is known."""

from typing import Literal

from langgraph.types import Command

from agora import team
from agora.domain.contracts import AgentTask
from nodes.stage import stage
from nodes.states import TaskState


@stage
async def recall(state: TaskState) -> Command[Literal["planning", "reflection"]]:
    """Serve from memory where that is safe, otherwise go on."""
    known = await team.current().recalling.find(AgentTask.model_validate(state["task"]))
    if known is None:
        return Command(goto="planning")
    return Command(update={"outcome": known.as_json()}, goto="reflection")
