"""Calibrating: a set of exercises goes through all experts, so that they bid from experience."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import prompts
from agora.domain import difficulty
from agora.domain.chat import prompt_tokens
from agora.domain.contracts import AgentTask, Json
from agora.domain.errors import RefusedError
from agora.domain.exercises import Exercise
from agora.domain.experts import Bidder
from agora.domain.faults import ModelFault
from agora.domain.models import most_spent
from agora.domain.replies import Reply
from agora.domain.settings import Settings
from agora.domain.signing import canonical
from agora.team.acting import standing_alone
from agora.team.asking import Asking
from agora.team.market import Market
from memory import events
from memory.database import Database

Tell = Callable[[int, int], None]
"""Called with how many answers are in, of how many."""


@dataclass(frozen=True)
class Trial:
    """One exercise for one bidder; asked again, it is found done."""

    task: AgentTask
    exercise: Exercise
    bidder: Bidder


@dataclass(frozen=True)
class Calibrating:
    """Graded outcomes, without anybody waiting for them."""

    settings: Settings
    database: Database
    asking: Asking
    market: Market

    async def plan(
        self, exercises: Sequence[Exercise], budget_usd: float | None = None
    ) -> list[Trial]:
        """Return every exercise for every bidder on a model, all on one budget.

        The same exercises make the same trials: what was interrupted goes on, and costs nothing
        twice.
        """
        text = canonical([one.as_json() for one in exercises])
        name = f"calibration-{sha256(text.encode()).hexdigest()[:12]}"
        able = [bidder for bidder in await self.market.bidders() if bidder.model]
        return [
            Trial(_task(f"{name}.{number}.{bidder.name}", one, budget_usd), one, bidder)
            for number, one in enumerate(exercises)
            for bidder in able
        ]

    def most_usd(self, trials: Sequence[Trial]) -> float:
        """Return what the trials cost should every answer be as long as it may."""
        longest = self.settings.execution.answer_tokens
        return sum(
            most_spent(model, prompt_tokens(_messages(one)), longest).cost_usd
            for one in trials
            for model in [_model(one)]
        )

    async def run(self, trials: Sequence[Trial], tell: Tell) -> list[Json]:
        """Ask, grade and tell the stream, as many at once as each model serves."""
        slots = {_model(one).name: asyncio.Semaphore(_model(one).slots) for one in trials}
        done: list[Json] = []

        async def work(trial: Trial) -> None:
            async with slots[_model(trial).name]:
                done.append(await self._graded(trial))
            tell(len(done), len(trials))

        async with asyncio.TaskGroup() as group:
            for trial in trials:
                group.create_task(work(trial))
        return done

    async def _graded(self, trial: Trial) -> Json:
        graded: Json = {"bidder": trial.bidder.name, "right": None, "cost_usd": 0.0, "error": ""}
        try:
            with standing_alone(trial.task.id, "calibrating"):
                reply = await self.asking.ask(trial.task, trial.bidder, _messages(trial))
        except ModelFault as fault:
            graded |= {"error": str(fault), "cost_usd": fault.spent.cost_usd}
            if not fault.is_answer:
                return graded
            reply = Reply(**fault.spent.model_dump())
        except RefusedError as error:
            return graded | {"error": str(error)}
        right = trial.exercise.is_right(reply.text)
        await self._tell(trial, reply, right)
        return graded | {"right": right, "cost_usd": reply.cost_usd}

    async def _tell(self, trial: Trial, reply: Reply, right: bool) -> None:
        mix = self.market.mix(trial.task)
        judged = {
            "bidder": trial.bidder.name,
            "domain": max(mix, key=mix.__getitem__),
            "right": right,
            "is_graded": True,
            "tokens_out": reply.tokens_out,
            "latency_s": reply.latency_s,
            "cost_usd": reply.cost_usd,
            "traits": difficulty.traits(trial.task.text),
            "at_s": self.market.clock().timestamp(),
        }
        async with self.database.transaction() as connection:
            await events.publish_once(connection, trial.task.id, "outcome.judged", judged)


def _task(name: str, exercise: Exercise, budget_usd: float | None) -> AgentTask:
    return AgentTask(id=name, text=exercise.text, domain=exercise.domain, budget_usd=budget_usd)


def _messages(trial: Trial) -> list[Json]:
    text = prompts.load("exercise").render(task=trial.exercise.text)
    return [
        {"role": "system", "content": trial.bidder.expert.system},
        {"role": "user", "content": text},
    ]


def _model(trial: Trial) -> Any:
    return trial.bidder.model
