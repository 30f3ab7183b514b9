"""Testing stage: the gate reads the change, then its tests fail before it and pass after it."""

from typing import Literal

from langgraph.types import Command

from agora import team
from agora.domain.contracts import Improvement
from nodes.stage import stage
from nodes.states import ImprovementState
from nodes.streaming import tell


@stage
async def testing(
    state: ImprovementState,
) -> Command[Literal["improving", "approval", "deploying", "__end__"]]:
    """Send a proved change to a person, or straight on if the person has approved these bytes."""
    order, change_id = Improvement.model_validate(state["task"]), str(state["change_id"])
    current = team.current()
    row = await current.changing.find(change_id)
    if row["kind"] == "prompt":
        return await _prompt(change_id)
    verdict = await current.repairing.test(order, change_id, state["rebased"])
    tell("verdict", **verdict.as_json())
    if verdict.verdict != "refuse":
        is_settled = await current.changing.is_settled(change_id)
        return Command(goto="deploying" if is_settled else "approval")
    why = f"{verdict.rule}: {verdict.reason}"
    await current.changing.give_up(change_id, why)
    is_wanted = await current.changing.is_approved(change_id)
    if is_wanted or await current.changing.is_by_a_person(change_id):
        assert state["opportunity"]
        await current.watching.reopen(state["opportunity"]["id"])
        ended = {"status": "refused", "message": f"the gate refuses the change: {why}"}
        return Command(update=ended, goto="__end__")
    return Command(goto="improving")


async def _prompt(
    change_id: str,
) -> Command[Literal["improving", "approval", "deploying", "__end__"]]:
    """Send a prompt that the guards let pass to a person; another base ends what was proved."""
    current = team.current()
    verdict = await current.promoting.check(change_id)
    tell("verdict", **verdict.as_json())
    if verdict.verdict != "refuse":
        is_settled = await current.changing.is_settled(change_id)
        return Command(goto="deploying" if is_settled else "approval")
    await current.changing.give_up(change_id, verdict.reason)
    ended = {"status": "refused", "message": f"the prompt is refused: {verdict.reason}"}
    return Command(update=ended, goto="__end__")
