"""Trying: a candidate does fresh tasks after the incumbent has answered them, and is compared.

Whoever asked has had the incumbent's answer by then. What may have an effect is never done twice.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agora.domain.answers import normal_form
from agora.domain.contracts import AgentContext, AgentOutcome, AgentTask, Award, Json
from agora.domain.errors import SettingsError
from agora.domain.judgements import Judgement, verdict
from agora.domain.models import family_of
from agora.domain.settings import LearningSettings
from agora.team.acting import standing_alone
from agora.team.answering import Answering
from agora.team.assessing import Assessing, say
from agora.team.proving import Proving
from agora.team.remembering import Remembering
from memory import beside, works
from memory.database import Database, Row

EFFECTS = {"side_effects"}
AT_ONCE = 20
"""So many tasks are done before the pairs are counted."""
JUDGED_WITHIN = timedelta(days=2)
"""What nobody has judged by then nobody will."""


def may_be_repeated(task: AgentTask, outcome: Json) -> bool:
    """Return whether a task can be done a second time and nothing in the world be different."""
    is_heard = outcome["status"] != "refused" and not outcome["fault"] and not outcome["cached"]
    return is_heard and not outcome["tool_calls"] and not EFFECTS & set(task.labels)


@dataclass(frozen=True)
class Trying:
    """Fresh tasks beside the incumbent, and judgements of what only a validator has seen."""

    settings: LearningSettings
    database: Database
    answering: Answering
    assessing: Assessing
    proving: Proving
    remembering: Remembering

    async def run(self) -> int:
        """Let candidates do what waits for them, and count the pairs; return how many."""
        async with self._alone() as is_alone:
            if not is_alone:
                return 0
            async with self.database.autocommit() as connection:
                waiting = await beside.to_do(connection, AT_ONCE)
            for row in waiting:
                await self._do(row)
            async with self.database.autocommit() as connection:
                answered = await beside.answered(connection, 10 * AT_ONCE)
            return sum([await self._pair(row) for row in answered])

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[bool]:
        """Hold a lock that ends with the process: a task is done beside by one at a time."""
        async with self.database.autocommit() as connection:
            is_alone = await beside.is_alone(connection, "trying")
            try:
                yield is_alone
            finally:
                if is_alone:
                    await beside.leave(connection, "trying")

    async def _do(self, row: Row) -> None:
        outcome = await self._outcome(row)
        if outcome.status == "answered":
            said: tuple[str | None, str | None] = outcome.answer, None
        else:
            said = None, outcome.error or outcome.status
        async with self.database.autocommit() as connection:
            if outcome.fault or outcome.status == "refused":  # nobody was heard: no pair
                await beside.move(connection, row, "left_out")
            else:
                await beside.answer(connection, row, *said)

    async def _outcome(self, row: Row) -> AgentOutcome:
        task, award = AgentTask.model_validate(row["task"]), Award.model_validate(row["award"])
        context = AgentContext.model_validate(row["context"]).but(has_tools=False, ends_at=None)
        if version := row["candidate"].get("version"):
            pinned = context.prompt_versions | {award.winner.expert: version}
            context = context.but(prompt_versions=pinned)
        if model := row["candidate"].get("model"):
            award = award.but(winner=award.winner.but(model=model))
        own = task.but(
            id=f"beside-{row['trial_id']}-{task.id}",
            budget_usd=None,
            budget_tokens=None,
            deadline_s=None,
        )
        try:
            with standing_alone(_case_of(row), "trying"):
                return await self.answering.execute(own, context, award, _silently)
        except SettingsError as error:  # its model has gone
            return AgentOutcome(status="refused", error=str(error))

    async def _pair(self, row: Row) -> bool:
        verdicts = await self.verdicts(row)
        if verdicts is None:
            return False
        incumbent, candidate = verdicts
        await self.proving.pair(row["trial_id"], row["task_id"], incumbent, candidate)
        async with self.database.autocommit() as connection:
            await beside.move(connection, row, "paired", candidate)
        return True

    async def verdicts(self, row: Row) -> tuple[bool, bool] | None:
        """Return whether incumbent and candidate had a task right; None: nobody can tell yet."""
        task = AgentTask.model_validate(row["task"])
        async with self.database.transaction() as connection:
            work = await works.find(connection, task.id, row["bidder"])
            known = await works.said(connection, task.id, row["bidder"])
            reference = await works.reference(connection, task.id)
        if work is None:
            return None
        is_right = verdict(known)
        if reference is None and row["answer"] and _say_the_same(work["answer"], row["answer"]):
            return bool(is_right), bool(is_right)  # it counts for the length alone
        candidate = await self._graded(task, row, reference)
        incumbent = is_right
        if work["answer"] and all(one.source == "validator" for one in known):
            said = await self.judge(task, row["bidder"], work["answer"], reference)
            incumbent = said.is_right if said else None
        if incumbent is None or candidate is None:
            return None
        return incumbent, candidate

    async def _graded(self, task: AgentTask, row: Row, reference: str | None) -> bool | None:
        if not row["answer"]:
            return False
        model = row["candidate"].get("model") or row["bidder"].partition("@")[2]
        case_id = f"{_case_of(row)}.graded"
        family = await self._family(model)
        said = await self.assessing.grade(task, family, row["answer"], case_id, reference)
        return said.is_right if said else None

    async def judge(
        self, task: AgentTask, bidder: str, answer: str, reference: str | None = None
    ) -> Judgement | None:
        """Grade an answer that was given, keep what the judge says, and learn from it."""
        family = await self._family(bidder.partition("@")[2])
        said = await self.assessing.grade(task, family, answer, f"{task.id}.graded", reference)
        if said and said.source == "judge":
            async with self.database.transaction() as connection:
                await say(connection, task, bidder, said)
            if not said.is_right:
                await self.remembering.reflect(task, bidder, said.reason)
        return said

    async def judge_some(self) -> int:
        """Judge a share of what only a validator has seen; return how many answers."""
        if not self.settings.judged_share:
            return 0
        async with self.database.autocommit() as connection:
            rows = await works.unjudged(
                connection, JUDGED_WITHIN, self.settings.judged_share, AT_ONCE
            )
        judged = 0
        for row in rows:
            task = AgentTask.model_validate(row["task"])
            judged += bool(await self.judge(task, row["bidder"], row["answer"]))
        return judged

    async def _family(self, model: str) -> str:
        models = (await self.answering.market.models()).models
        return next((one.family for one in models if one.name == model), family_of(model))


def _case_of(row: Row) -> str:
    """Name the second doing of a task: the same after a crash, and in the task's records."""
    return f"{row['task_id']}.beside-{row['trial_id']}"


def _say_the_same(one: str, other: str) -> bool:
    form = normal_form(one)
    return bool(form) and form == normal_form(other)


def _silently(kind: str, **told: Any) -> None:
    """Tell nobody: who has asked has an answer already."""
