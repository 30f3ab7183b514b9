"""Proposing: experts bid for a report of what fails, and the winners write patches."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog
from psycopg import Error as DatabaseFailure
from pydantic import BaseModel, ValidationError

import prompts
from agora.domain import difficulty
from agora.domain.contracts import AgentTask, Bid, Improvement, Json
from agora.domain.errors import AgoraError, ClaimLostError
from agora.domain.redaction import redact
from agora.domain.repair.proposals import Rewrite, Rewrites
from agora.domain.replies import Reply
from agora.domain.settings import Settings
from agora.team.acting import case
from agora.team.asking import Asking
from agora.team.market import Market
from memory import events
from memory.database import Database

log = structlog.get_logger()
DOMAIN = "software"
ORDINAL = 200
"""Acts of proposing are numbered from here on, within the stage that wants them."""
MOST = 60_000  # characters of a report with its sources
T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True)
class Proposing:
    """Experts' proposals, by the auction of all tasks: there is no second router."""

    settings: Settings
    database: Database
    asking: Asking
    market: Market

    async def has_models(self) -> bool:
        """Return whether anybody could propose anything."""
        return bool((await self.market.models()).models)

    async def bids(self, task: AgentTask) -> list[Bid]:
        """Return who is worth asking, best first, one expert a model; none without any model."""
        if not await self.has_models():
            return []
        sold = await self.market.hold(task, {"mix": self.market.mix(task)}, [])
        if sold.auction.award is None:
            return []
        first: dict[str, Bid] = {}
        for bid in sold.auction.bids:
            if bid.model and bid.score is not None and bid.score > 0:
                first.setdefault(bid.model, bid)
        return list(first.values())

    def task(self, order: Improvement, text: str) -> AgentTask:
        """Return a report as the task that experts bid for; secrets in it are blacked out."""
        clean = redact(text[:MOST], self.settings.secrets)
        labels = ("private",) if order.private else ()
        return AgentTask(id=case.get().id, text=clean, domain=DOMAIN, labels=labels)

    async def offered(
        self, order: Improvement, report: str, sources: str, brief: str, asks: str = "repair"
    ) -> list["Offered"]:
        """Return what the best bidders propose; nothing where there is no model.

        `asks` names the prompt.
        """
        words = {"report": report, "sources": sources, "brief": brief or "none"}
        task = self.task(order, prompts.load(asks).render(**words))
        wanted = (await self.bids(task))[: self.settings.repair.proposers]
        heard = await asyncio.gather(
            *(self.ask(task, bid, Rewrites, number) for number, bid in enumerate(wanted))
        )
        return [Offered(said.bid, said.reply, said.answer.proposals) for said in heard if said]

    async def ask(
        self, task: AgentTask, bid: Bid, schema: type[T], number: int = 0
    ) -> "Said[T] | None":
        """Return what a bidder answers in this form, and what it has cost; None where it fails."""
        messages: list[Json] = [{"role": "user", "content": task.text}]
        try:
            bidder = await self.market.bidder(bid.name)
            messages.insert(0, {"role": "system", "content": bidder.expert.system})
            reply = await self.asking.ask(
                task, bidder, messages, ordinal=ORDINAL + number, schema=schema
            )
            return Said(bid, reply, schema.model_validate_json(reply.text))
        except (ClaimLostError, DatabaseFailure):
            raise
        except (AgoraError, ValidationError) as error:
            log.info("proposer.silent", expert=bid.name, reason=str(error)[:200])
            return None

    async def judge(self, bid: Bid, reply: Reply, is_right: bool) -> None:
        """Tell standings, once an attempt, whether a bidder's proposal has passed all tests."""
        here = case.get()
        told: Json = {
            "bidder": bid.name,
            "domain": DOMAIN,
            "right": is_right,
            "source": "tests",
            "weight": 1.0,
            "prompt": None,
            "task_id": here.id,
            "error": "" if is_right else "no proposal passes all tests",
            "tokens_out": reply.tokens_out,
            "cost_usd": reply.cost_usd,
            "latency_s": reply.latency_s,
            "is_probe": False,
            "traits": difficulty.traits(DOMAIN),
            "value_usd": bid.value_usd,
            "second_usd": bid.second_usd,
            "second_score": None,
            "fault": None,
            "opens_breaker": False,
            "at_s": self.market.clock().timestamp(),
            "about": "",
            "labels": [],
            "tenant": "default",
        }
        id_ = f"{here.id}/{here.round}/{bid.name}"
        async with self.database.transaction() as connection:
            await events.publish_once(connection, id_, "outcome.judged", told)


@dataclass(frozen=True)
class Said(Generic[T]):
    """What one bidder has answered in the form that was asked for."""

    bid: Bid
    reply: Reply
    answer: T


@dataclass(frozen=True)
class Offered:
    """One bidder's proposals, the best first."""

    bid: Bid
    reply: Reply
    rewrites: Sequence[Rewrite]
