"""Planning stage: what kind of task this is, and whether it is done whole."""

from agora import team
from agora.domain.contracts import AgentTask
from nodes.stage import stage
from nodes.states import TaskState


@stage
async def planning(state: TaskState) -> TaskState:
    """Add the mix of domains, the tools of the workspace, and what is remembered of such tasks."""
    task = AgentTask.model_validate(state["task"])
    plan = await team.current().answering.plan(task)
    told = await team.current().remembering.recall(task)
    return {"plan": plan, "context": state["context"] | {"tools": plan["tools"], "memories": told}}
