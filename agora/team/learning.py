"""Learning: outcomes are judged once, folded into standings, and told to the stream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agora.domain import difficulty, pulse, standings
from agora.domain.contracts import AgentOutcome, AgentTask, Award, Bid, Json, Opportunity
from agora.domain.sequential import FLOOR, FLOOR_OUTCOMES
from agora.domain.settings import Settings
from agora.team.market import Market
from agora.team.recalling import Recalling
from agora.team.remembering import Remembering
from agora.team.watching import Watching
from memory import acts, events, tasks
from memory.database import Database

ABOUT = 80  # characters of a task's text that the stream may carry


@dataclass
class Learning:
    """What becomes of outcomes."""

    settings: Settings
    database: Database
    market: Market
    recalling: Recalling
    remembering: Remembering
    watching: Watching

    async def close(
        self, task: AgentTask, outcome: AgentOutcome, state: Mapping[str, Any]
    ) -> AgentOutcome:
        """Store how a task turned out and tell the stream, once; keep a good answer."""
        async with self.database.transaction() as connection:
            parts = [part["id"] for part in (state.get("parts") or {}).values()]
            spent = await acts.spent(connection, task.id, *parts)
            outcome = outcome.but(**spent)
            is_first = await tasks.close(connection, task.id, outcome)
            if is_first:
                for judged in self._judged(task, outcome, state):
                    await events.publish(connection, task.id, "outcome.judged", judged)
        if state.get("is_alone", True):
            await self.recalling.keep(task, outcome)
        if is_first:
            await self.remembering.note(task, outcome, state.get("tried") or ())
        return outcome

    def _judged(
        self, task: AgentTask, outcome: AgentOutcome, state: Mapping[str, Any]
    ) -> list[Json]:
        """Return one event for each expert that has worked on the task."""
        plan, tried, award = (state.get(key) for key in ("plan", "tried", "award"))
        heard = [one for one in tried or () if one["outcome"]["status"] != "refused"]
        told = [self._event(task, plan, one["award"], one["outcome"]) for one in heard]
        if outcome.status == "answered" and award and not outcome.cached:
            if outcome.expert == award["winner"]["expert"]:
                told.append(self._event(task, plan, award, outcome.as_json()))
        return told

    def _event(self, task: AgentTask, plan: Any, award: Json, outcome: Json) -> Json:
        sold = Award.model_validate(award)
        mix: dict[str, float] = plan["mix"]
        return {
            "tenant": task.tenant,
            "bidder": sold.winner.name,
            "domain": max(mix, key=mix.__getitem__),
            "right": _is_right(outcome),
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
            "about": "" if pulse.is_secret(task.labels) else task.text[:ABOUT],
            "labels": list(task.labels),
        }

    async def dropped(self, tried: Sequence[Json], outcome: AgentOutcome) -> list[Json]:
        """Return the experts of this task whose success has dropped, with the evidence."""
        names = {_bid(one["award"]["winner"]).name for one in tried}
        if not names:
            return []  # nobody has failed at it, so nobody's success has gone down
        state = await self.market.standings()
        found = [_drop(name, *standings.tally(state, name)) for name in sorted(names)]
        return [one for one in found if one]

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


def _is_right(outcome: Json) -> bool | None:
    """Return the judgement; None where the expert was never heard."""
    if outcome["status"] == "refused" or outcome["fault"]:
        return None
    return bool(outcome["status"] == "answered")


def _bid(bid: Json) -> Bid:
    return Bid.model_validate(bid)


def _drop(name: str, right: int, outcomes: int, is_fallen: bool) -> Json | None:
    success = right / outcomes if outcomes else 1.0
    if not is_fallen and (outcomes < FLOOR_OUTCOMES or success >= FLOOR):
        return None
    return {
        "expert": name.partition("@")[0],
        "bidder": name,
        "success": success,
        "outcomes": outcomes,
    }
