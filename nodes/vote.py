"""Vote stage: one member after the other answers, unseen by the rest."""

from typing import Literal

from langgraph.types import Command

from agora import team
from agora.domain.contracts import AgentTask
from agora.domain.council import LEAST_SEATS
from nodes.stage import stage
from nodes.states import RoomState
from nodes.streaming import tell


@stage
async def vote(state: RoomState) -> Command[Literal["vote", "ruling"]]:
    """Ask the next member, until no vote could change the winner any more."""
    meeting, votes = team.current().meeting, state["votes"]
    seat = meeting.next_seat(state["seats"], votes)
    if seat is None or len(state["seats"]) < LEAST_SEATS:
        return Command(goto="ruling")
    task = AgentTask.model_validate(state["task"])
    given = await meeting.ask(task, seat, len(votes), tell)
    return Command(update={"votes": [*votes, given.as_json()]}, goto="vote")
