"""Subtask stage: one part of a plan, beside others."""

from agora import team
from agora.domain.contracts import AgentContext, AgentTask
from nodes.stage import stage
from nodes.states import SubtaskState, TaskState
from nodes.streaming import tell


@stage
async def subtask(state: SubtaskState) -> TaskState:
    """Auction one subtask, let the winner do it, and add its result under its number."""
    task = AgentTask.model_validate(state["task"])
    context = AgentContext.model_validate(state["context"])
    outcome = await team.current().planning.do(task, context, state["known"], tell)
    return {"parts": {state["number"]: {"id": task.id, "outcome": outcome.as_json()}}}
