"""Joining stage: what the subtasks have given becomes one outcome, or the plan goes on."""

from typing import Literal

from langgraph.types import Command

from agora import team
from agora.domain.contracts import AgentTask
from nodes.fanning import sent
from nodes.stage import stage
from nodes.states import TaskState


@stage
async def joining(state: TaskState) -> Command[Literal["subtask", "reflection"]]:
    """Change the plan where a subtask has failed, do what has become possible, then join."""
    planning, task = team.current().planning, AgentTask.model_validate(state["task"])
    context, parts = state["context"], state["parts"] or {}
    plan, next_ = await planning.go_on(task, state["plan"], parts, context["ends_at"])
    if next_:
        fanned = sent(task, plan, next_, parts, context)
        return Command(update={"plan": plan}, goto=fanned)
    outcome = await planning.join(task, plan, parts)
    return Command(update={"plan": plan, "outcome": outcome.as_json()}, goto="reflection")
