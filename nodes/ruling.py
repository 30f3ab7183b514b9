"""Ruling stage: what the war room says."""

from typing import Literal

from langgraph.types import Command

from agora import team
from nodes.stage import stage
from nodes.states import RoomState


@stage
async def ruling(state: RoomState) -> Command[Literal["__end__"]]:
    """Weigh the votes into a ruling, and the ruling into an outcome."""
    said, outcome = team.current().meeting.rule(state["seats"], state["votes"])
    ruled = {"ruling": said.as_json(), "outcome": outcome.as_json()}
    return Command(update=ruled, goto="__end__")
