"""Ruling stage: what the war room says."""

from agora import team
from nodes.stage import stage
from nodes.states import RoomState


@stage
async def ruling(state: RoomState) -> RoomState:
    """Weigh the votes into a ruling, and the ruling into an outcome."""
    said, outcome = team.current().meeting.rule(state["seats"], state["votes"])
    return {"ruling": said.as_json(), "outcome": outcome.as_json()}
