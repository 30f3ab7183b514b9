"""Seats stage: who sits in the war room."""

from agora import team
from agora.domain.contracts import AgentTask
from agora.team.acting import case
from nodes.stage import stage
from nodes.states import RoomState


@stage
async def seats(state: RoomState) -> RoomState:
    """Add the members, strongest first, and empty the table."""
    task = AgentTask.read(state["task"] | {"id": case.get().id})
    ends_at = (state.get("context") or {}).get("ends_at")
    found, table = await team.current().meeting.open(task, ends_at)
    return {
        "task": task.as_json(),
        "seats": found,
        "table": table,
        "votes": [],
        "judge": None,
        "ruling": None,
    }
