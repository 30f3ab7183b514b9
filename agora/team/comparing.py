"""Comparing: ended tasks are done another way, too, until a trial shows which way is better.

Whoever asked has had the answer by then. What may have an effect is never done twice.
"""

from dataclasses import dataclass
from datetime import timedelta

from agora.domain.contracts import AgentOutcome, AgentTask
from agora.domain.models import family_of
from agora.domain.settings import PlanSettings
from agora.domain.ways import EFFECTS, WAYS, Way, kind_of, may_have_parts
from agora.team.acting import standing_alone
from agora.team.assessing import Assessing
from agora.team.planning import Planning
from agora.team.proving import Proving
from agora.team.synthesising import SYNTHESIS, Synthesising
from memory import other_ways, works
from memory.database import Database, Row

AT_ONCE = 10
SINCE = timedelta(days=1)
"""What was answered earlier is no fresh task any more."""
BY = {"plan": "plan", SYNTHESIS: "synthesis"}
"""The expert by which an outcome says that it was made in a challenger's way."""


@dataclass(frozen=True)
class Comparing:
    """Trials of ways to do a task, and the watch over those that were promoted."""

    settings: PlanSettings
    database: Database
    planning: Planning
    synthesising: Synthesising
    assessing: Assessing
    proving: Proving

    async def run(self) -> int:
        """Do some ended tasks in their other ways; return how many pairs were counted."""
        if not self.settings.trial_share:
            return 0
        async with self.database.transaction() as connection:
            taken = await other_ways.take(
                connection, SINCE, self.settings.trial_share, EFFECTS, AT_ONCE
            )
        return sum([await self._take(row) for row in taken])

    async def _take(self, row: Row) -> int:
        task = AgentTask.model_validate(row["body"])
        outcome = AgentOutcome.model_validate(row["outcome"])
        if way := BY.get(str(outcome.expert)):
            await self._watch(way, task, outcome)
            return 0
        if task.split is False:
            return 0
        return sum([await self._pair(way, task, outcome) for way in WAYS])

    async def _watch(self, way: str, task: AgentTask, outcome: AgentOutcome) -> None:
        """Count an outcome of a promoted way, and switch the way off when its success drops."""
        trial = await self.proving.newest(way, self._kind(task))
        if trial is None or trial["status"] != "promoted":
            return
        is_right = await self._is_right(task, outcome, f"{task.id}.{way}")
        if is_right is not None and await self.proving.watch(trial["id"], task.id, is_right):
            await self.proving.end(trial["id"], "reverted", task.id)

    async def _pair(self, way: Way, task: AgentTask, outcome: AgentOutcome) -> int:
        kind = self._kind(task)
        trial = await self.proving.newest(way, kind)
        if trial and trial["status"] != "running" and not self._is_old(trial):
            return 0
        other = await self._other(way, task, outcome)
        if other is None:
            return 0
        incumbent = await self._is_right(task, outcome, f"{task.id}.{way}.whole")
        candidate = await self._is_right(task, other, f"{task.id}.{way}.other")
        if incumbent is None or candidate is None:
            return 0  # nobody can tell them apart
        trial_id = await self.proving.open(way, kind, {"instead_of": "whole"})
        await self.proving.pair(trial_id, task.id, incumbent, candidate)
        return 1

    def _is_old(self, trial: Row) -> bool:
        """Return whether a trial has ended so long ago that another one is worth its cost."""
        age: timedelta = self.planning.market.clock() - trial["ended_at"]
        return trial["status"] != "promoted" and age > timedelta(days=self.settings.again_days)

    async def _other(self, way: Way, task: AgentTask, outcome: AgentOutcome) -> AgentOutcome | None:
        """Return what a task comes to in another way; None where that makes no difference."""
        with standing_alone(f"{task.id}.{way}", way):
            if way == "synthesis":
                return await self.synthesising.beside(task, outcome)
            return await self.planning.beside(task) if may_have_parts(task.text) else None

    async def _is_right(self, task: AgentTask, outcome: AgentOutcome, case_id: str) -> bool | None:
        if outcome.status != "answered":
            return False
        async with self.database.autocommit() as connection:
            reference = await works.reference(connection, task.id)
        family = family_of(outcome.model or "")
        said = await self.assessing.grade(task, family, outcome.answer, case_id, reference)
        return said.is_right if said else None

    def _kind(self, task: AgentTask) -> str:
        return kind_of(self.planning.market.mix(task))
