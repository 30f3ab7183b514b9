"""Vote stage: members answer unseen by the rest, as many at once as must be heard anyway."""

from typing import Literal

from langgraph.types import Command

from agora import team
from agora.domain.contracts import AgentTask
from nodes.stage import stage
from nodes.states import RoomState
from nodes.streaming import tell


@stage
async def vote(state: RoomState) -> Command[Literal["vote", "evidence", "judging", "ruling"]]:
    """Hear the next members; when no vote could change the winner, see what is still open."""
    meeting, task = team.current().meeting, AgentTask.model_validate(state["task"])
    table, seats, votes = state["table"], state["seats"], state["votes"]
    heard = await meeting.hear(task, table, seats, votes, tell)
    if len(heard) > len(votes) and meeting.is_undecided(table, seats, heard):
        return Command(update={"votes": heard}, goto="vote")
    changes = {"votes": heard}
    if meeting.wants_evidence(table, seats, heard):
        return Command(update=changes, goto="evidence")
    wants_judge = meeting.wants_judge(table, seats, heard)
    return Command(update=changes, goto="judging" if wants_judge else "ruling")
