"""Scouting: feeds are read, and what the team may be asked of them is answered ahead.

Nothing that a feed says is believed: an answer is its words, quoted, with source and date.
"""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

import structlog

from agora.domain import feeds, fetching, predictions
from agora.domain.contracts import Act, ActOutcome, AgentOutcome, AgentTask, Json, Source
from agora.domain.errors import RefusedError
from agora.domain.feeds import Feed, Item
from agora.domain.fetching import FeedSilentError, Fetched
from agora.domain.injections import gives_orders
from agora.domain.predictions import Trend
from agora.domain.settings import Settings
from agora.team.acting import Acting, standing_alone
from agora.team.clocks import Clock
from agora.team.judging import Judging
from agora.team.market import Market
from agora.team.recalling import Recalling, asked_of, news_scope
from memory import answers, news
from memory.answers import Asked
from memory.database import Database

log = structlog.get_logger()
SCOUT = "scout"
AT_ONCE = 4
CONFIDENCE = 0.5


@dataclass(frozen=True)
class Scouting:
    """Who reads the news."""

    settings: Settings
    database: Database
    acting: Acting
    market: Market
    judging: Judging
    recalling: Recalling
    clock: Clock

    async def scout(self, chosen: Sequence[Feed] | None = None) -> Json:
        """Read the feeds that are due and answer ahead; return what was found and what failed."""
        known = feeds.load(self.settings.folder) if chosen is None else chosen
        one_of_few = asyncio.Semaphore(AT_ONCE)
        told = await asyncio.gather(*(self._read(feed, one_of_few) for feed in known))
        predicted = await self._predict()
        faults = {feed.name: fault for feed, (_, fault) in zip(known, told, strict=True) if fault}
        new = sum(count for count, _ in told)
        return {"feeds": len(known), "faults": faults, "news": new, "predicted": predicted}

    async def expire(self) -> int:
        """Forget what is too old to make a trend. An upkeep step."""
        async with self.database.transaction() as connection:
            return await news.expire(connection, 4 * self._span)

    @property
    def _span(self) -> timedelta:
        return timedelta(days=self.settings.scout.news_days)

    async def _read(self, feed: Feed, one_of_few: asyncio.Semaphore) -> tuple[int, str]:
        """Return how much is new in a feed, and what is wrong with it."""
        pause = timedelta(hours=self.settings.scout.every_h)
        async with one_of_few:
            async with self.database.autocommit() as connection:
                known = await news.claim(connection, feed.url, feed.name, pause)
            if known is None:
                return 0, ""  # it was read a moment ago
            try:
                found, fault = await self._fetch(feed, known["etag"], known["modified"]), ""
            except (FeedSilentError, RefusedError) as error:
                found, fault = Fetched(None, known["etag"], known["modified"]), str(error)
        items: list[Item] = []
        if found.body is not None:
            items = await asyncio.to_thread(feeds.parse, found.body, feed.name, self.clock())
            fault = "" if items else f"{feed.url}: holds no news, or is no feed"
        async with self.database.transaction() as connection:
            await news.read(connection, feed.url, found.etag, found.modified, fault)
            return await news.store(connection, items), fault

    async def _fetch(self, feed: Feed, etag: str, modified: str) -> Fetched:
        given: list[Fetched] = []

        async def do() -> ActOutcome:
            given.append(await fetching.fetch(feed.url, etag, modified, self.settings.scout))
            return ActOutcome(result={"bytes": len(given[0].body or b"")})

        act = Act(kind="read_feed", subject=feed.url, facts={"labels": ["untrusted"]})
        with standing_alone(f"scout-{uuid.uuid4().hex}", "scouting"):
            await self.acting.perform(act, do)
        return given[0]

    async def _predict(self) -> list[Json]:
        """Answer ahead for every tenant what the news lets expect; return what is new."""
        async with self.database.autocommit() as connection:
            found = await news.since(connection, self._span)
            asked = await news.asked(connection) or {AgentTask.model_fields["tenant"].default: []}
        # News do not tell their reader what to do: what does is quoted to nobody.
        items = [one for one in found if not gives_orders(one.title, one.text, one.link)]
        models = [model.name for model in (await self.market.models()).models]
        made: list[Json] = []
        for tenant, texts in asked.items():
            ours = predictions.subjects(texts, models)
            for trend in predictions.trends(items, ours, self.settings.scout.trends):
                made += await self._answer_ahead(tenant, trend)
        return made

    async def _answer_ahead(self, tenant: str, trend: Trend) -> list[Json]:
        async with self.database.autocommit() as connection:
            usual_s = await news.usual_latency(connection)
        outcome = _outcome(trend, usual_s)
        life = timedelta(days=self.settings.scout.answers_days)
        made: list[Json] = []
        for question in trend.questions:
            asked = asked_of(tenant, news_scope(tenant), question)
            task_id = f"news-{sha256(f'{tenant} {question}'.encode()).hexdigest()[:16]}"
            async with self.database.transaction() as connection:
                await answers.keep(connection, asked, outcome, task_id, life, source="news")
                is_new = await news.predict(connection, tenant, question, trend.name, task_id)
            if is_new:
                rephrased = await self._rephrase(asked, trend.name)
                said = {"question": question, "trend": trend.name, "tenant": tenant}
                made.append(said | {"quotes": len(outcome.evidence), "rephrased": rephrased})
        return made

    async def _rephrase(self, asked: Asked, name: str) -> int:
        """Let a model say the question otherwise; what a judge takes for the same is an alias.

        It must still speak of what the question is about, whatever the model was told to say.
        """
        task = AgentTask(
            id=f"scout-{uuid.uuid4().hex}",
            text=asked.text,
            tenant=asked.tenant,
            labels=("untrusted",),
        )
        judge = await self.judging.judge(task)
        if judge is None:
            return 0
        with standing_alone(task.id, "scouting"):
            said = await self.judging.rephrased(task, judge)
        approved = [one for one in said if _speaks_of(name, one)]
        async with self.database.transaction() as connection:
            found = await answers.find(connection, asked)
            for text in sorted(approved) if found else ():
                other = asked_of(asked.tenant, asked.scope, text)
                await answers.alias(connection, other, found["id"] if found else 0, judge.name)
        return len(approved)


def _speaks_of(name: str, question: str) -> bool:
    return name.casefold() in question.casefold() and not gives_orders(question)


def _outcome(trend: Trend, usual_s: float) -> AgentOutcome:
    """Return the quotations as an answer; it saves what an answer usually takes."""
    quoted = predictions.newest(trend)
    evidence = tuple(Source(path=item.link, line=1, quote=item.text) for item in quoted)
    return AgentOutcome(
        status="answered",
        answer=predictions.quotation(trend),
        evidence=evidence,
        confidence=CONFIDENCE,
        expert=SCOUT,
        latency_s=usual_s,
    )
