"""Rewriting stage: an expert whose success has dropped becomes an opportunity."""

from typing import Literal

from langgraph.types import Command

from agora import team
from nodes.stage import stage
from nodes.states import TaskState


@stage
async def rewriting(state: TaskState) -> Command[Literal["__end__"]]:
    """Open a prompt opportunity for each; who rewrites finds the evidence there."""
    may_rewrite = team.current().capabilities.has("prompts", state["task"]["id"])
    for drop in state["dropped"] if may_rewrite else ():
        await team.current().learning.open_prompt(drop)
    return Command(goto="__end__")
