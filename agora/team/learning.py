"""Learning: outcomes are judged once, folded into standings, and told to the stream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agora.domain import difficulty, labels, prompt_records
from agora.domain.contracts import AgentOutcome, AgentTask, Award, Json, Opportunity
from agora.domain.judgements import PASSED, Judgement
from agora.domain.settings import Settings
from agora.team.assessing import about
from agora.team.market import Market
from agora.team.promoting import Promoting
from agora.team.recalling import Recalling
from agora.team.remembering import Remembering
from agora.team.trying import may_be_repeated
from agora.team.watching import Watching
from memory import acts, beside, events, folds, prompts, tasks, works
from memory.database import Database, Rows

FOLD = "prompt_records"


@dataclass
class Learning:
    """What becomes of outcomes."""

    settings: Settings
    database: Database
    market: Market
    recalling: Recalling
    remembering: Remembering
    watching: Watching
    promoting: Promoting

    async def close(
        self, task: AgentTask, outcome: AgentOutcome, state: Mapping[str, Any]
    ) -> AgentOutcome:
        """Store how a task turned out and tell the stream, once; keep a good answer."""
        judged: list[tuple[Json, Json]] = []
        async with self.database.transaction() as connection:
            parts = [part["id"] for part in (state.get("parts") or {}).values()]
            spent = await acts.spent(connection, task.id, *parts)
            outcome = outcome.but(**spent)
            is_first = await tasks.close(connection, task.id, outcome)
            if is_first:
                judged = self._judged(task, outcome, state)
                for told, done in judged:
                    await events.publish(connection, task.id, "outcome.judged", told)
                    await _keep(connection, task, told, done)
                await self.remembering.note(connection, task, outcome, state.get("tried") or ())
        if state.get("is_alone", True):
            await self.recalling.keep(task, outcome)
        if is_first:
            await self._prove(task, judged, state)
        return outcome

    async def _prove(
        self, task: AgentTask, judged: Sequence[tuple[Json, Json]], state: Mapping[str, Any]
    ) -> None:
        """Let candidates on trial do the task too, and count it for what was promoted."""
        for told, done in judged:
            if told["prompt"] is None or told["right"] is None:
                continue
            expert = told["bidder"].partition("@")[0]
            if may_be_repeated(task, done["outcome"]):
                context = dict(state["context"])
                row = [task.id, told["bidder"], told["prompt"], context, done["award"]]
                async with self.database.autocommit() as connection:
                    await beside.take(connection, *row)
            if self.market.prompting.is_promoted(expert):
                await self.promoting.watch(expert, told["prompt"], task.id, told["right"])

    def _judged(
        self, task: AgentTask, outcome: AgentOutcome, state: Mapping[str, Any]
    ) -> list[tuple[Json, Json]]:
        """Return one event for each expert that has worked on the task, and what it has done."""
        tried, award = state.get("tried") or (), state.get("award")
        done = [one for one in tried if one["outcome"]["status"] != "refused"]
        if outcome.status == "answered" and award and not outcome.cached:
            if outcome.expert == award["winner"]["expert"]:
                done.append({"award": award, "outcome": outcome.as_json()})
        versions = (state.get("context") or {}).get("prompt_versions", {})
        return [(self._event(task, state.get("plan"), one, versions), one) for one in done]

    def _event(self, task: AgentTask, plan: Any, done: Json, versions: Mapping[str, int]) -> Json:
        sold, outcome = Award.model_validate(done["award"]), done["outcome"]
        mix: dict[str, float] = plan["mix"]
        carried = labels.joined(task.labels, outcome["labels"])
        return {
            "tenant": task.tenant,
            "bidder": sold.winner.name,
            "domain": max(mix, key=mix.__getitem__),
            "right": _is_right(outcome),
            "source": "validator",
            "weight": PASSED if outcome["status"] == "answered" else 1.0,
            "prompt": versions.get(sold.winner.expert) if sold.winner.model else None,
            "task_id": task.id,
            "error": outcome["error"] or "",
            "tokens_out": outcome["tokens_out"],
            "latency_s": outcome["latency_s"],
            "cost_usd": outcome["cost_usd"],
            "is_probe": sold.is_probe,
            "traits": difficulty.traits(task.text),
            "value_usd": self.settings.auction.value_usd,
            "second_usd": self.settings.auction.second_usd,
            "second_score": sold.runner_up,
            "fault": outcome["fault"] if outcome["is_unhealthy"] else None,
            "opens_breaker": outcome["opens_breaker"],
            "at_s": self.market.clock().timestamp(),
            "about": about(task.but(labels=carried)),
            "labels": list(task.labels),
        }

    async def dropped(self, tried: Sequence[Json], outcome: AgentOutcome) -> list[Json]:
        """Return the experts of this task whose success has dropped, with the evidence."""
        names = {one["award"]["winner"]["expert"] for one in tried}
        if not names:
            return []  # nobody has failed at it, so nobody's success has gone down
        return [one for one in await self.drops() if one["expert"] in names]

    async def drops(self) -> list[Json]:
        """Return all experts whose prompt in production has dropped, with the evidence."""
        async with self.database.transaction() as connection:
            records = await folds.advance(
                connection, FOLD, prompt_records.KINDS, prompt_records.step
            )
            production = await prompts.production(connection)
        return prompt_records.drops(records, production)

    async def open_prompt(self, drop: Json) -> None:
        """Open the opportunity to rewrite an expert's prompt."""
        found = Opportunity(
            id="",
            kind="prompt",
            subject=drop["expert"],
            priority="high" if drop["success"] < 0.50 else "medium",
            evidence=drop,
        )
        await self.watching.open_one(found)

    async def watch(self) -> None:
        """Open what has dropped, and take back what has: a person's word comes after the task."""
        async with self.database.autocommit() as connection:
            turned = await works.turned(connection)
        for one in turned:
            await self.promoting.watch(
                one["expert"], one["prompt"], one["task_id"], one["is_right"]
            )
        for drop in await self.drops():
            await self.open_prompt(drop)


async def _keep(connection: Rows, task: AgentTask, told: Json, done: Json) -> None:
    """Keep what an expert has made of the task, and what the validator says of it."""
    if told["right"] is None:
        return
    said = Judgement(source="validator", is_right=told["right"], reason=told["error"])
    work = [told["prompt"], told["domain"], done["outcome"]["answer"], told["error"]]
    await works.add(connection, task.id, told["bidder"], *work)
    await works.say(connection, task.id, told["bidder"], said)
    await works.settle(connection, task.id, told["bidder"], told["right"])


def _is_right(outcome: Json) -> bool | None:
    """Return the judgement; None where the expert was never heard."""
    if outcome["status"] == "refused" or outcome["fault"]:
        return None
    return bool(outcome["status"] == "answered")
