"""Pulsing: from time to time what the team does is summed up, for people and for its experts."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf

import structlog

import prompts
from agora.domain import pulse
from agora.domain.contracts import TENANT, AgentTask, Json
from agora.domain.errors import RefusedError
from agora.domain.experts import Bidder
from agora.domain.faults import ModelFault
from agora.domain.settings import Settings
from agora.team.acting import standing_alone
from agora.team.asking import Asking
from agora.team.market import Market
from agora.team.stream import Stream
from memory import changes, cursors, events, pulses
from memory.database import Database, Rows
from memory.events import Event
from memory.pulses import Pulse

log = structlog.get_logger(__name__)
GROUP, OWN = "pulse", "pulse-"
"""The consumers that make pulses; and how their own cases begin, which no pulse tells of."""
ITSELF = "events"
"""The author of a pulse that no model has written."""
PROMPT = 0.98
"""So much of the interval is waited, that what has happened is told before it ends."""
TRIES = 2
"""Models that are asked for one pulse, at most."""
SINCE_WORDS = 60
"""Words for what has happened since the newest pulse, at most."""


@dataclass
class Pulsing:
    """Pulses: made, kept, told."""

    settings: Settings
    database: Database
    stream: Stream
    market: Market
    asking: Asking
    _told: dict[tuple[str, bool], tuple[float, str]] = field(default_factory=dict, init=False)

    async def run(self) -> None:
        """Make a pulse whenever one is due, until cancelled; of all workers one does."""
        every_s, after_events = self.settings.pulse.every_s, self.settings.pulse.after_events
        clock, count, due_at = asyncio.get_running_loop().time, 0, 0.0
        tenants = set[str]()
        async with self.stream.consume(GROUP, kinds=pulse.KINDS) as consumer:
            while True:
                batch = await consumer.next(max(0.0, min(due_at - clock(), every_s)))
                news = [one for one in batch.events if not one.correlation_id.startswith(OWN)]
                count += len(news)
                tenants |= {one.body.get("tenant", TENANT) for one in news}
                begun = clock()
                if count >= after_events or (count and begun >= due_at):
                    for tenant in sorted(tenants):
                        await self.make(tenant)
                    await consumer.acknowledge(batch.end)
                    # What comes while a model words a pulse waits no longer for the next one.
                    count, due_at = 0, begun + PROMPT * every_s
                    tenants.clear()
                elif begun >= due_at:
                    await consumer.acknowledge(batch.end)
                    due_at = begun + PROMPT * every_s

    async def make(self, tenant: str = TENANT, *, by_model: bool = True) -> Pulse | None:
        """Sum up what is new for a tenant and keep it; None: nothing is.

        It is there at once, as the events say it themselves; then a model writes it better.
        """
        async with self.database.transaction() as connection:
            known = await pulses.newest(connection, tenant)
            found, at_work = await self._read(connection, tenant)
            if not found or (known and found[-1].cursor <= known.cursor):
                return None
            made = self._sum_up(tenant, found, at_work)
            await pulses.keep(connection, made)
        return (by_model and await self._written(made, found, at_work)) or made

    async def newest(self, tenant: str = TENANT) -> Pulse | None:
        """Return a tenant's newest pulse, made on the spot where no worker has done it yet."""
        async with self.database.autocommit() as connection:
            known = await pulses.newest(connection, tenant)
            is_made_elsewhere = await cursors.is_read(connection, GROUP)
        if known is None or not is_made_elsewhere:
            return await self.make(tenant, by_model=False) or known
        return known

    async def told(self, labels: Sequence[str], tenant: str = TENANT) -> str:
        """Return the tenant's newest pulse and what has happened since, for the context of a task.

        What outsiders have written goes on to no task but those that are labelled untrusted.
        """
        is_open, now = "untrusted" in labels, asyncio.get_running_loop().time()
        at, told = self._told.get((tenant, is_open), (-inf, ""))
        if now - at > self.settings.memory.pulse_s:
            told = await self._tell(tenant, is_open)
            self._told[tenant, is_open] = now, told
        return told

    async def _tell(self, tenant: str, is_open: bool) -> str:
        words = self.settings.memory.pulse_words
        async with self.database.autocommit() as connection:
            known = await pulses.newest(connection, tenant)
            found = await self._newest(connection, tenant)
        if known is None or (known.labels and not is_open):
            said = _as_json(found) if is_open else pulse.without_outside(_as_json(found))
            return pulse.sum_up(said, words)
        fresh = _as_json([one for one in found if one.cursor > known.cursor])
        fresh = fresh if is_open else pulse.without_outside(fresh)
        since = pulse.sum_up(fresh, min(SINCE_WORDS, words // 2))
        since = f" Since then: {since}" if since else ""
        return pulse.cut(known.text, words - len(since.split())) + since

    async def _read(self, connection: Rows, tenant: str) -> tuple[list[Event], list[str]]:
        stages = await pulses.at_work(connection)
        waiting = (await changes.count(connection)).get("waiting", 0)
        return await self._newest(connection, tenant), pulse.at_work(stages, waiting)

    async def _newest(self, connection: Rows, tenant: str) -> list[Event]:
        most = self.settings.memory.pulse_events
        return await events.newest(connection, pulse.KINDS, most, but=OWN, tenant=tenant)

    def _sum_up(self, tenant: str, found: Sequence[Event], at_work: Sequence[str]) -> Pulse:
        told = _as_json(found)
        tasks = dict.fromkeys(one.correlation_id for one in found if one.correlation_id)
        return Pulse(
            tenant=tenant,
            at=self.market.clock(),
            text=pulse.sum_up(told, self.settings.memory.pulse_words, at_work),
            author=ITSELF,
            labels=pulse.labels(told),
            sources={"events": [one.cursor.id for one in found], "tasks": list(tasks)},
            cursor=found[-1].cursor,
        )

    async def _written(
        self, made: Pulse, found: Sequence[Event], at_work: Sequence[str]
    ) -> Pulse | None:
        """Return the pulse as a model has written it, kept; None where none could."""
        words = self.settings.memory.pulse_words
        text = prompts.load("pulse").render(
            events=pulse.record(_as_json(found), at_work), words=str(words)
        )
        # The same events make the same case: one that died after the answer does not pay again.
        task = AgentTask(
            id=f"{OWN}{made.tenant}-{made.cursor}",
            text="pulse",
            tenant=made.tenant,
            labels=tuple(made.labels),
        )
        for ordinal, bidder in enumerate((await self.market.clerks(task))[:TRIES]):
            said = await self._ask(task, bidder, text, ordinal)
            if short := pulse.cut(said, words):
                better = replace(made, text=short, author=bidder.name, at=self.market.clock())
                async with self.database.transaction() as connection:
                    await pulses.keep(connection, better)
                return better
        return None

    async def _ask(self, task: AgentTask, bidder: Bidder, text: str, ordinal: int) -> str:
        try:
            with standing_alone(task.id, "pulse"):
                asked = [{"role": "user", "content": text}]
                return (await self.asking.ask(task, bidder, asked, ordinal=ordinal)).text
        except (ModelFault, RefusedError) as error:
            log.info("no pulse", bidder=bidder.name, error=str(error))
            return ""


def _as_json(found: Sequence[Event]) -> list[Json]:
    return [{"kind": one.kind, "body": one.body} for one in found]
