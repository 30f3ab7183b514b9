"""Deploying stage: exactly the approved content becomes a commit."""

from typing import Literal

from langgraph.types import Command

from agora import team
from agora.domain.errors import BaseMovedError
from nodes.stage import stage
from nodes.states import ImprovementState


@stage
async def deploying(state: ImprovementState) -> Command[Literal["testing", "__end__"]]:
    """Apply the change, once however often a crash replays this node."""
    changing = team.current().changing
    try:
        commit = await changing.deploy(str(state["change_id"]))
    except BaseMovedError:
        # What was proved was proved on another base: the same diff is tested there again.
        await changing.rebase(str(state["change_id"]))
        return Command(update={"rebased": state.get("rebased", 0) + 1}, goto="testing")
    await team.current().solving.learn(str(state["change_id"]))
    await team.current().registering.refresh(str(state["change_id"]))
    done = {"commit": commit, "status": "fixed", "message": f"committed as {commit[:12]}"}
    return Command(update=done, goto="__end__")
