"""Evidence stage: members see all arguments without names, and may change their votes."""

from typing import Literal

from langgraph.types import Command

from agora import team
from agora.domain.contracts import AgentTask
from nodes.stage import stage
from nodes.states import RoomState
from nodes.streaming import tell


@stage
async def evidence(state: RoomState) -> Command[Literal["judging", "ruling"]]:
    """Show every member all arguments once; more rounds converge on the loudest."""
    meeting, task = team.current().meeting, AgentTask.model_validate(state["task"])
    table, seats = state["table"], state["seats"]
    votes = await meeting.argue(task, table, seats, state["votes"], tell)
    wants_judge = meeting.wants_judge(table, seats, votes)
    return Command(update={"votes": votes}, goto="judging" if wants_judge else "ruling")
