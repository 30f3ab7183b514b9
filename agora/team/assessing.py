"""Assessing: what sources say of an answer, kept with their weights, and what it comes to.

What an outcome comes to counts once; when a later source turns it, the correction is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

import prompts
from agora.domain import answers, pulse
from agora.domain.contracts import AgentTask, Json
from agora.domain.errors import AgoraError, ClaimLostError
from agora.domain.exercises import Exercise
from agora.domain.experts import Bidder
from agora.domain.judgements import Judgement, verdict
from agora.domain.settings import LearningSettings
from agora.team.acting import standing_alone
from agora.team.asking import Asking
from agora.team.market import Market
from memory import events, works
from memory.database import Database, Rows

log = structlog.get_logger()
ABOUT = 80
"""Characters of a task's text that the stream may carry."""
GRADE = "grade"


class Grade(BaseModel):
    """What a judge says of an answer."""

    model_config = ConfigDict(strict=True, extra="forbid")
    right: bool
    wrong_because: str = ""
    better: str = ""


def is_same(said: str, wanted: str) -> bool:
    """Return whether an answer says what is wanted, whole or in its marked last line."""
    form = answers.normal_form(wanted)
    if form and answers.normal_form(said) == form:
        return True
    return Exercise(text="?", answer=(wanted,)).is_right(said)


async def say(connection: Rows, task: AgentTask, bidder: str, said: Judgement) -> bool | None:
    """Keep a judgement, and correct what the outcome comes to; return that.

    None: the bidder has not worked on this task.
    """
    known = await works.find(connection, task.id, bidder)
    if known is None:
        return None
    await works.say(connection, task.id, bidder, said)
    now = verdict(await works.said(connection, task.id, bidder))
    if now == known["is_right"]:
        return now
    await works.settle(connection, task.id, bidder, now)
    told: Json = {"bidder": bidder, "domain": known["domain"], "prompt": known["prompt"]}
    told |= {"right": now, "task_id": task.id, "error": said.reason, "about": about(task)}
    told |= {"source": said.source, "weight": said.weight}
    await events.publish(connection, task.id, "outcome.corrected", told)
    return now


def about(task: AgentTask) -> str:
    """Return what the stream may tell of a task's text."""
    return "" if pulse.is_secret(task.labels) else task.text[:ABOUT]


@dataclass(frozen=True)
class Assessing:
    """Graders: what is known to be right, else a model of another family."""

    settings: LearningSettings
    database: Database
    asking: Asking
    market: Market

    async def judge_of(self, task: AgentTask, family: str) -> Bidder | None:
        """Return the strongest model of another family that this task may be shown, or None."""
        clerks: Sequence[Bidder] = await self.market.clerks(task)
        return next((one for one in reversed(clerks) if one.family != family), None)

    async def grade(
        self,
        task: AgentTask,
        family: str,
        said: str,
        case_id: str,
        reference: str | None = None,
        budget_usd: float | None = None,
    ) -> Judgement | None:
        """Return whether an answer is right; None where nobody can tell.

        `case_id` names the judging for ever: asked again, it finds what the judge has said. It is
        paid from a budget of its own, or from the task's, which then has `budget_usd` in all.
        """
        if reference is not None:
            is_right = is_same(said, reference)
            why = "" if is_right else f"right would have been: {reference}"
            return Judgement(source="tests", is_right=is_right, reason=why, answer=reference)
        judge = await self.judge_of(task, family)
        if judge is None:
            return None
        if budget_usd is None:
            task = task.but(id=f"graded-{task.id}", budget_usd=self.settings.judge_usd)
        return await self._ask(task.but(budget_tokens=None), judge, said, case_id)

    async def _ask(
        self, task: AgentTask, judge: Bidder, said: str, case_id: str
    ) -> Judgement | None:
        text = prompts.load(GRADE).render(task=task.text, answer=said)
        messages = [{"role": "user", "content": text}]
        try:
            with standing_alone(case_id, "grading"):
                reply = await self.asking.ask(task, judge, messages, schema=Grade)
            grade = Grade.model_validate_json(reply.text)
        except ClaimLostError:
            raise
        except (AgoraError, ValidationError) as error:
            log.info("judge.silent", reason=str(error)[:200])
            return None
        why: Any = [] if grade.right else [grade.wrong_because, grade.better]
        return Judgement(
            source="judge", is_right=grade.right, reason="; better: ".join(filter(None, why))
        )
