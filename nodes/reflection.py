"""Reflection stage: the outcome is judged, counted once, and kept for the next time."""

from typing import Any, Literal

from langchain_core.messages import AIMessage
from langgraph.types import Command

from agora import team
from agora.domain.contracts import AgentOutcome, AgentTask
from nodes.stage import stage
from nodes.states import TaskState
from nodes.tracing import judge

RIGHT = {"answered": 1.0, "failed": 0.0}
"""What a trace is told of correctness: what was declined or refused is neither."""


@stage
async def reflection(state: TaskState) -> Command[Literal["rewriting", "__end__"]]:
    """Close the task; go to rewriting when an expert's success has dropped."""
    task = AgentTask.model_validate(state["task"])
    outcome = await team.current().learning.close(
        task, AgentOutcome.model_validate(state["outcome"]), state
    )
    changes: Any = {"outcome": outcome.as_json()}
    judge("correctness", RIGHT.get(outcome.status))
    if state.get("heard"):
        said = outcome.answer or outcome.error or outcome.status
        changes |= {"messages": [AIMessage(said, id=f"{task.id}-answer")]}
    dropped = await team.current().learning.dropped(state.get("tried", []), outcome)
    if dropped:
        return Command(update=changes | {"dropped": dropped}, goto="rewriting")
    return Command(update=changes, goto="__end__")
