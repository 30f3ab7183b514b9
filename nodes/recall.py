"""Recall stage: the same question in the same scope gets the answer that is known."""

from typing import Any, Literal

from langgraph.types import Command

from agora import team
from agora.domain.contracts import AgentTask
from nodes.stage import stage
from nodes.states import TaskState


@stage
async def recall(state: TaskState) -> Command[Literal["planning", "reflection"]]:
    """Serve from memory where that is safe, otherwise go on; a follow-up is made to stand alone."""
    recalling, capabilities = team.current().recalling, team.current().capabilities
    if state["context"]["is_reworded"]:
        return Command(update={"is_alone": False}, goto="planning")
    asked = AgentTask.model_validate(state["task"])
    if not capabilities.has("cache", asked.id):
        return Command(update={"is_alone": False}, goto="planning")
    task = await recalling.alone(asked, _turns(state))
    if task is None:
        return Command(update={"is_alone": False}, goto="planning")
    found: AgentTask = task
    known = await capabilities.attempt("cache", asked.id, lambda: recalling.find(found), None)
    changes = _changes(asked, task)
    if known is None:
        return Command(update=changes, goto="planning")
    return Command(update=changes | {"outcome": known.as_json()}, goto="reflection")


def _changes(asked: AgentTask, task: AgentTask) -> Any:
    return {"task": task.as_json()} if task != asked else {}


def _turns(state: TaskState) -> list[str]:
    """Return what was said before the turn that the task was made of."""
    earlier = (state.get("messages") or [])[:-1]
    return [f"{turn.type}: {turn.text}" for turn in earlier[-6:]] or state.get("turns", [])
