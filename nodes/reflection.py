"""Reflection stage: the outcome is judged, counted once, and kept for the next time."""

from typing import Any, Literal

from langchain_core.messages import AIMessage
from langgraph.types import Command

from agora import team
from agora.domain.contracts import AgentOutcome, AgentTask
from nodes.stage import stage
from nodes.states import TaskState
from nodes.tracing import judge, trace

RIGHT = {"answered": 1.0, "failed": 0.0}
"""What a trace is told of correctness: what was declined or refused is neither."""

TURNS, TURN = 6, 1000
"""Turns of a thread that a follow-up may rest on, and characters of each."""


@stage
async def reflection(state: TaskState) -> Command[Literal["rewriting", "__end__"]]:
    """Close the task; go to rewriting when an expert's success has dropped."""
    task = AgentTask.model_validate(state["task"])
    outcome = await team.current().learning.close(
        task, AgentOutcome.model_validate(state["outcome"]), state
    )
    changes: Any = {"outcome": outcome.as_json()}
    said = outcome.answer or outcome.error or outcome.status
    judge("correctness", RIGHT.get(outcome.status))
    if traced := trace():
        await team.current().mirroring.traced(task.id, *traced)
    if state.get("heard"):
        changes |= {"messages": [AIMessage(said, id=f"{task.id}-answer")]}
    else:
        told = [f"human: {task.text[:TURN]}", f"ai: {said[:TURN]}"]
        changes |= {"turns": [*state.get("turns", []), *told][-TURNS:]}
    dropped = await team.current().learning.dropped(state.get("tried", []), outcome)
    if dropped:
        return Command(update=changes | {"dropped": dropped}, goto="rewriting")
    return Command(update=changes, goto="__end__")
