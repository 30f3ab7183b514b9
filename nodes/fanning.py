"""Fanning out: one run of the stage `subtask` for each subtask that can be done now."""

from collections.abc import Mapping, Sequence

from langgraph.types import Send

from agora import team
from agora.domain.contracts import AgentTask, Json


def sent(
    task: AgentTask,
    plan: Json,
    subtasks: Sequence[Json],
    parts: Mapping[str, Json],
    context: Json,
) -> list[Send]:
    """Return what LangGraph runs side by side; how many at once the team's lanes decide."""
    planning = team.current().planning
    return [
        Send("subtask", planning.part_of(task, one, plan["subtasks"], parts) | {"context": context})
        for one in subtasks
    ]
