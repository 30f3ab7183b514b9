"""Ruling stage: what the war room says, or a person where it cannot."""

from typing import Any, Literal

from langgraph.types import Command, interrupt

from agora import team
from agora.domain.contracts import AgentTask, Ruling
from agora.team.meeting import asked_of_a_person, ruled, ruled_by_person
from nodes.stage import stage
from nodes.states import RoomState
from nodes.tracing import judge


@stage
async def ruling(state: RoomState) -> Command[Literal["__end__"]]:
    """Weigh the votes into a ruling, keep the minutes, and say what becomes of the task."""
    meeting, task = team.current().meeting, AgentTask.model_validate(state["task"])
    said = meeting.rule(state["table"], state["seats"], state["votes"], state.get("judge"))
    if said.answer and not said.is_consensus and meeting.settings.asks_person:
        said = await _appealed(task, said)
    said, outcome = await meeting.close(task, state["table"], state["seats"], said)
    judge("consensus_agreement", said.confidence)
    told = {"ruling": said.as_json(), "outcome": outcome.as_json()}
    return Command(update=told, goto="__end__")


async def _appealed(task: AgentTask, said: Ruling) -> Ruling:
    appealing = team.current().meeting.appealing
    await appealing.ask(task, said)
    answer: Any = interrupt(asked_of_a_person(task, said))
    decisions = answer.get("decisions") if isinstance(answer, dict) else None
    first = decisions[0] if isinstance(decisions, list) and decisions else {}
    decision = first if isinstance(first, dict) else {}
    by = str(decision.get("by") or "person")
    return ruled_by_person(said, await appealing.hear(task.id, ruled(said, decision), by))
