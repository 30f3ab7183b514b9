"""Intake stage: a task becomes a contract, a row, and what the team needs to know beside it."""

from typing import Any, Literal

from langgraph.runtime import get_runtime
from langgraph.types import Command

from agora import team
from agora.domain.contracts import AgentTask, Json
from agora.domain.redaction import redact
from agora.team.acting import case
from nodes.stage import is_spoken, stage
from nodes.states import TaskState
from nodes.wordings import Wordings, wanted

FRESH: Json = {
    "is_alone": True,
    "plan": {},
    "parts": None,
    "bids": [],
    "award": None,
    "attempts": 0,
    "tried": [],
    "ruling": None,
    "outcome": None,
    "dropped": [],
}


@stage
async def intake(state: TaskState) -> Command[Literal["pulse", "__end__"]]:
    """Accept the task, or return what is known when it was done before under the same id."""
    here, answering = case.get(), team.current().answering
    await team.current().capabilities.refresh()
    task = AgentTask.read(redact(_asked(state), team.current().settings.secrets) | {"id": here.id})
    known = await answering.accept(task, here)
    context = answering.context(task, here).as_json()
    if wordings := wanted(get_runtime(Wordings).context):
        versions = await team.current().prompting.overridden(wordings)
        context["prompt_versions"] |= versions
        context["is_reworded"] = bool(versions)
    changes: Any = _cleared(state) | {"task": task.as_json(), "context": context}
    if heard := _heard(state):
        changes |= {"heard": heard}
    if known is not None:
        return Command(update=changes | {"outcome": known.as_json()}, goto="__end__")
    return Command(update=changes, goto="pulse")


def _cleared(state: TaskState) -> Json:
    """Return what an earlier task has left on this thread, emptied; a new thread has nothing.

    Each key of the state is a row in every checkpoint that changes it.
    """
    return {key: empty for key, empty in FRESH.items() if state.get(key, empty) != empty}


def _asked(state: TaskState) -> Json:
    """Return the fields that the caller gave; of a conversation its newest message is the text."""
    if not is_spoken(state):
        return dict(state.get("task") or {})
    content = state["messages"][-1].text
    return {"text": content}


def _heard(state: TaskState) -> str | None:
    messages = state.get("messages") or []
    return messages[-1].id if messages else None
