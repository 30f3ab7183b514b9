"""Monitoring stage: a change whose watch has raised an alarm is taken back, by the same door."""

from typing import Literal

from langgraph.types import Command

from agora import team
from nodes.stage import stage
from nodes.states import ImprovementState


@stage
async def monitoring(state: ImprovementState) -> Command[Literal["__end__"]]:
    """Revert the change and close its alarm; it is an incident's remedy and asks nobody."""
    assert state["opportunity"]
    change_id, commit = await team.current().repairing.revert(state["opportunity"]["id"])
    await team.current().registering.refresh(change_id)
    message = f"change {change_id} raised an alarm and was taken back by {commit[:12]}"
    return Command(
        update={"commit": commit, "status": "reverted", "message": message}, goto="__end__"
    )
