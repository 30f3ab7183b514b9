"""Verifying: tools of a workspace say whether an answer can be right, before it has any weight.

A tool tagged `verifies` takes the task and an answer and returns whether the answer holds: it may
run tests, look into a database, or do the sum again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agora.domain.contracts import AgentTask, Json, Vote
from agora.domain.errors import AgoraError
from agora.domain.tools import Tool
from agora.team.tooling import Tooling

TAG = "verifies"
ORDINAL = 500
"""Calls of verifying tools are counted from here within a stage."""
ACTOR = "war_room"


@dataclass(frozen=True)
class Verifying:
    """What can be known of answers without any opinion."""

    tooling: Tooling

    async def verified(self, task: AgentTask, votes: Sequence[Vote]) -> list[Vote]:
        """Return the votes, without weight where a tool says that the answer does not hold.

        Where all tools can tell, and none says no, the votes name the first of them. Where a tool
        itself fails nobody gains or loses by it.
        """
        if not task.workspace:
            return list(votes)
        tools = [one for one in await self.tooling.of(task.workspace) if TAG in one.tags]
        answers = list(dict.fromkeys(vote.answer for vote in votes if not vote.error))
        said: dict[str, Json] = {}
        for number, answer in enumerate(answers if tools else ()):
            said[answer] = await self._said(task, tools, answer, ORDINAL + number * len(tools))
        return [vote if vote.error else vote.but(**said.get(vote.answer, {})) for vote in votes]

    async def _said(
        self, task: AgentTask, tools: Sequence[Tool], answer: str, first_ordinal: int
    ) -> Json:
        """Return what changes about votes for an answer, once tools have seen it."""
        given, confirming = {"task": task.text, "answer": answer}, list[str]()
        for ordinal, tool in enumerate(tools, first_ordinal):
            try:
                call = await self.tooling.answer(task, ACTOR, tools, tool.name, given, ordinal)
            except AgoraError:
                continue  # no sandbox, no permission
            if not call.error and call.result is False:
                return {"error": f"{tool.name} says that the answer does not hold"}
            confirming += [tool.name] if not call.error and call.result is True else []
        return {"verified_by": confirming[0]} if len(confirming) == len(tools) else {}
