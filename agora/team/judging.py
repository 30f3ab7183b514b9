"""Judging: a model says whether two questions are one; whatever is not a clear yes is a no."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from typing import Any

import structlog
from psycopg import Error as DatabaseFailure
from pydantic import BaseModel, ConfigDict, ValidationError

import prompts
from agora.domain import questions
from agora.domain.contracts import AgentTask
from agora.domain.errors import AgoraError, ClaimLostError, PersonAskedError
from agora.domain.experts import Bidder
from agora.domain.settings import MemorySettings
from agora.team.asking import Asking
from agora.team.market import Market

log = structlog.get_logger()
CONTROL = "How many legs does a spider have?"
"""Nothing means the same as this. What a judge takes for it is an instruction, not a question."""
WORDINGS = 3
SHARE = 0.25
"""So much of a task's deadline judging may take."""
ORDINAL = 10
"""Acts of judging are numbered from here on, within the stage that wants them."""


class Nearest(BaseModel):
    """Which of the known questions a judge would look at; 0: none."""

    model_config = ConfigDict(strict=True, extra="forbid")
    number: int


class Same(BaseModel):
    """What a judge says of two questions."""

    model_config = ConfigDict(strict=True, extra="forbid")
    same: bool


class Rephrased(BaseModel):
    """Other wordings of a question."""

    model_config = ConfigDict(strict=True, extra="forbid")
    questions: list[str]


class Standalone(BaseModel):
    """A question that needs no conversation around it; empty where a model cannot tell."""

    model_config = ConfigDict(strict=True, extra="forbid")
    question: str


@dataclass(frozen=True)
class Judging:
    """A model that compares questions. It sees questions only, as material, never an answer."""

    settings: MemorySettings
    asking: Asking
    market: Market

    async def has_models(self) -> bool:
        """Return whether there may be a judge at all."""
        return bool((await self.market.models()).models)

    async def judge(self, task: AgentTask) -> Bidder | None:
        """Return whose model compares, the first that the market has for small jobs, or None."""
        return next(iter(await self.market.clerks(task)), None)

    async def same(
        self, task: AgentTask, judge: Bidder, text: str, known: Sequence[str]
    ) -> int | None:
        """Return which of the known questions asks the same; None: none, or not surely.

        One is chosen among them, then stands alone before the judge: two slips make one mistake.
        """
        until = self._until(task)
        number = await self._nearest(task, judge, text, known, until)
        if number is None or not await self._is_same(task, judge, text, known[number], 1, until):
            return None
        is_order = await self._is_same(task, judge, CONTROL, known[number], 2, until)
        return None if is_order else number

    def _until(self, task: AgentTask) -> str:
        """Return when judging must end: what it takes, an answer lacks."""
        # Each question is told, and ends by itself: cancelled, it would hold its reservation.
        share_s = (task.deadline_s or inf) * SHARE
        until = self.market.clock() + timedelta(seconds=min(self.settings.judge_s, share_s))
        return until.isoformat()

    async def _nearest(
        self, task: AgentTask, judge: Bidder, text: str, known: Sequence[str], until: str
    ) -> int | None:
        if len(known) < 2:
            return 0 if known else None
        listed = "\n".join(f"{n}. {' '.join(one.split())}" for n, one in enumerate(known, start=1))
        said = await self._ask(
            task, judge, prompts.load("nearest").render(new=text, known=listed), Nearest, 0, until
        )
        number = said.number if isinstance(said, Nearest) else 0
        return number - 1 if 1 <= number <= len(known) else None

    async def _is_same(
        self,
        task: AgentTask,
        judge: Bidder,
        one: str,
        other: str,
        number: int,
        until: str | None = None,
    ) -> bool:
        text = prompts.load("same_question").render(first=one, second=other)
        said = await self._ask(task, judge, text, Same, number, until)
        return isinstance(said, Same) and said.same

    async def standalone(self, task: AgentTask, judge: Bidder, turns: Sequence[str]) -> str | None:
        """Return the task's question as one that stands alone; None where that is not certain."""
        text = prompts.load("standalone").render(conversation="\n".join(turns), newest=task.text)
        said = await self._ask(task, judge, text, Standalone, 3, self._until(task))
        question = said.question.strip() if isinstance(said, Standalone) else ""
        is_one = bool(question) and len(question) <= questions.LONGEST
        return question if is_one and not questions.rests_on_others(question) else None

    async def rephrased(self, task: AgentTask, judge: Bidder) -> list[str]:
        """Return other wordings of a task's question, each of them judged to be the same."""
        text = prompts.load("rephrase").render(question=task.text)
        said = await self._ask(task, judge, text, Rephrased, 4)
        if not isinstance(said, Rephrased):
            return []
        return [
            one
            for number, one in enumerate(said.questions[:WORDINGS], start=5)
            if len(one) <= questions.LONGEST
            and await self._is_same(task, judge, task.text, one, number)
        ]

    async def _ask(
        self,
        task: AgentTask,
        judge: Bidder,
        text: str,
        schema: type[BaseModel],
        number: int,
        until: str | None = None,
    ) -> BaseModel | None:
        messages = [{"role": "user", "content": text}]
        try:
            reply = await self.asking.ask(
                task, judge, messages, ordinal=ORDINAL + number, ends_at=until, schema=schema
            )
            return schema.model_validate_json(reply.text)
        except (ClaimLostError, PersonAskedError, DatabaseFailure):
            raise
        except (AgoraError, ValidationError) as error:
            log.info("judge.silent", reason=str(error)[:200])
            return None


def _price(bidder: Bidder) -> tuple[bool, float, str]:
    model: Any = bidder.model
    return model.residency != "local", model.usd_in + model.usd_out, bidder.name
