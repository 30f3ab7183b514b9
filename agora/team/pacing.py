"""Pacing: how many subtasks of a plan run at once, tuned by what more of them gain."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from agora.domain.contracts import Json
from agora.domain.lanes import Lanes
from agora.domain.settings import PlanSettings
from memory import folds
from memory.database import Database

FOLD, RAN = "lanes", "plan.ran"


@dataclass
class Traffic:
    """The lanes of one plan while it runs."""

    lanes: Lanes
    most: int
    running: int = 0
    done: int = 0  # since `since`
    since: float = 0.0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)


@dataclass
class Pacing:
    """The lanes of all plans of this process."""

    settings: PlanSettings
    database: Database
    _traffic: dict[str, Traffic] = field(default_factory=dict, init=False)

    @asynccontextmanager
    async def lane(self, plan_id: str) -> AsyncIterator[None]:
        """Wait for a lane of a plan, and keep it while the block runs."""
        traffic = await self._opened(plan_id)
        async with traffic.changed:
            await traffic.changed.wait_for(lambda: traffic.running < traffic.lanes.width)
            traffic.running += 1
        try:
            yield
        finally:
            async with traffic.changed:
                self._leave(traffic)
                traffic.changed.notify_all()

    def _leave(self, traffic: Traffic) -> None:
        traffic.running, traffic.done = traffic.running - 1, traffic.done + 1
        now = asyncio.get_running_loop().time()
        if traffic.done >= traffic.lanes.width:
            stretch = now - traffic.since
            traffic.lanes = traffic.lanes.measured(traffic.done, stretch, traffic.most)
            traffic.done, traffic.since = 0, now

    async def _opened(self, plan_id: str) -> Traffic:
        if plan_id not in self._traffic:
            known = await self._lanes()
            now = asyncio.get_running_loop().time()
            self._traffic.setdefault(plan_id, Traffic(known, self.settings.most_at_once, since=now))
        return self._traffic[plan_id]

    async def _lanes(self) -> Lanes:
        """Return the lanes that plans so far have shown to be worth it."""
        async with self.database.transaction() as connection:
            state = await folds.advance(connection, FOLD, [RAN], _newest)
        most = self.settings.most_at_once
        first = Lanes(min(self.settings.at_once, most))
        return max(first, Lanes(**state).within(most), key=_width) if state else first

    def end(self, plan_id: str) -> Lanes | None:
        """Forget a plan that is done; return what its lanes have shown, if any of it ran here."""
        traffic = self._traffic.pop(plan_id, None)
        return traffic.lanes if traffic else None


def _width(lanes: Lanes) -> int:
    return lanes.width


def _newest(_: Json, event: Json) -> Json:
    return {name: event[name] for name in ("width", "rate", "best")}
