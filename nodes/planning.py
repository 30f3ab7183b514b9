"""Planning stage: what kind of task this is, and whether it is done whole or in subtasks."""

from typing import Literal

from langgraph.types import Command

from agora import team
from agora.domain import plans
from agora.domain.contracts import AgentTask
from nodes.fanning import sent
from nodes.stage import stage
from nodes.states import TaskState


@stage
async def planning(state: TaskState) -> Command[Literal["bidding", "subtask"]]:
    """Add domains, tools, what is remembered of such tasks, and the subtasks if it is split."""
    task = AgentTask.model_validate(state["task"])
    current, may_split = team.current(), team.current().capabilities.has("planning", task.id)
    plan = await current.planning.plan(task, state["context"]["ends_at"], may_split=may_split)
    may_join = current.capabilities.has("synthesis", task.id)
    plan["synthesis"] = may_join and plan.get("synthesis", False)
    told: list[str] = await current.capabilities.attempt(
        "memories", task.id, lambda: current.remembering.recall(task), []
    )
    context = state["context"] | {"tools": plan["tools"], "memories": told}
    changes: TaskState = {"plan": plan, "context": context}
    if plan["is_whole"]:
        return Command(update=changes, goto="bidding")
    first = plans.ready(plan["subtasks"], {})
    return Command(update=changes, goto=sent(task, plan, first, {}, context))
