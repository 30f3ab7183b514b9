"""Detecting: what the checks of one look say of each fault that has a remedy."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from psycopg.errors import DiskFull

from agora.domain import standings
from agora.domain.contracts import Json
from agora.domain.healing import Signal
from agora.domain.health import Check, is_missed
from agora.team.capabilities import FAILED, Capabilities
from agora.team.clocks import Clock
from agora.team.market import Market
from memory.database import Database, Row

JUMPED_S = 30.0
"""A clock that is off by so much since the last look has jumped."""
STARTED = "SELECT pg_postmaster_start_time() AS at"


@dataclass
class Detecting:
    """What was seen before, and what it means that it is different now."""

    database: Database
    market: Market
    capabilities: Capabilities
    clock: Clock
    ticks: Callable[[], float] = time.monotonic
    _started: datetime | None = field(default=None, init=False)
    _repairs: float = field(default=0.0, init=False)
    _clocks: tuple[datetime, float] | None = field(default=None, init=False)

    def own(self, checks: Sequence[Check]) -> list[Signal]:
        """Return what is wrong with this process and its machine."""
        found = [one for check in checks for one in self._own(check)]
        return [*found, self._clock()]

    def _own(self, check: Check) -> list[Signal]:
        kind, _, which = check.name.partition(":")
        part, _, where = which.partition("@")
        is_bad, said = check.status != "pass", check.said
        if kind == "process":
            return [Signal("memory_short", which, is_bad, said)]
        if part == "memory":
            return [Signal("memory_short", f"machine {where}", is_bad, said)]
        if part == "cpu":
            return [Signal("overloaded", f"cpu {where}", is_bad, said)]
        if part == "loop":
            return [Signal("loop_blocked", where, is_bad, said)]
        return [Signal("disk_full", where, is_bad, said)] if part == "disk" else []

    def _clock(self) -> Signal:
        now = self.clock(), self.ticks()
        before, self._clocks = self._clocks or now, now
        off_s = (now[0] - before[0]).total_seconds() - (now[1] - before[1])
        said = f"the clock has jumped by {off_s:.0f} s"
        return Signal("clock_jumped", "clock", abs(off_s) > JUMPED_S, said)

    async def shared(self, checks: Sequence[Check]) -> list[Signal]:
        """Return what is wrong with what all processes share."""
        known = {check.name: check for check in checks}
        found = self._database(known.get("store:postgresql"))
        if found[0].is_bad:
            return found  # nothing else can be judged
        found += [await self._restarted(), *self._redis(known), self._index(known)]
        found += [await self._capability(name) for name in self.capabilities.known]
        found += [self._overload(known)]
        return [*found, *self._failed(checks), *await self._models(known)]

    def full(self, error: BaseException | None) -> Signal:
        """Return whether the database has refused to write for want of room."""
        is_full = isinstance(error, DiskFull)
        return Signal("database_full", "postgresql", is_full, str(error or ""))

    def lost(self, beats: Sequence[Row], now: datetime, itself: str) -> list[Signal]:
        """Return which processes have given no sign of life for too long."""
        ours = [one for one in beats if one["kind"] == "process" and one["name"] != itself]
        return [
            Signal("process_lost", one["name"].partition(":")[2], is_missed(one, now), "silent")
            for one in ours
        ]

    def _database(self, check: Check | None) -> list[Signal]:
        if check is None:
            return [Signal("database_gone", "postgresql", False)]
        return [Signal("database_gone", "postgresql", check.status == "fail", check.said)]

    async def _restarted(self) -> Signal:
        async with self.database.autocommit() as connection:
            row = await (await connection.execute(STARTED)).fetchone()
        assert row
        before, self._started = self._started or row["at"], row["at"]
        said = f"PostgreSQL was started anew at {row['at']:%H:%M:%S}"
        return Signal("database_restarted", "postgresql", row["at"] != before, said)

    def _redis(self, known: Mapping[str, Check]) -> list[Signal]:
        check = known.get("store:redis")
        return [Signal("redis_gone", "redis", check.status == "fail", check.said)] if check else []

    def _index(self, known: Mapping[str, Check]) -> Signal:
        check = known.get("store:index", Check("store:index"))
        repairs = self._repairs if check.value is None else check.value
        has_failed = check.status == "fail" or repairs > self._repairs
        self._repairs = repairs
        said = check.said or "its files could not be read, and were made anew"
        return Signal("index_corrupt", "index", has_failed, said)

    async def _capability(self, name: str) -> Signal:
        paused = self.capabilities.paused(name)
        return Signal("capability_failed", name, paused.startswith(FAILED), paused)

    def _overload(self, known: Mapping[str, Check]) -> Signal:
        late = [known[name] for name in ("scheduler:queue", "store:pool") if name in known]
        said = "; ".join(one.said for one in late if one.status != "pass")
        return Signal("overloaded", "queue", bool(said), said)

    def _failed(self, checks: Sequence[Check]) -> list[Signal]:
        kinds = ("tools:", "router:")
        return [
            Signal("part_failed", one.name, one.status != "pass", one.said)
            for one in checks
            if one.name.startswith(kinds)
        ]

    async def _models(self, known: Mapping[str, Check]) -> list[Signal]:
        state = await self.market.standings()
        models = [model.name for model in (await self.market.models()).models]
        return [one for name in models for one in _of_model(name, known, state)]


def _of_model(name: str, known: Mapping[str, Check], state: Json) -> list[Signal]:
    check = known.get(f"model:{name}", Check(f"model:{name}"))
    wrong = standings.ailing(state, name)
    is_away = check.status == "fail" and check.value == 0.0
    is_dead = is_away or wrong["is_failing"]
    said = check.said or "its server fails"
    return [
        Signal("dead_model", name, is_dead, said),
        Signal("slow_model", name, wrong["is_slow"], "it answers far slower than usual"),
        Signal("lying_model", name, wrong["is_fallen"], "its answers are wrong more than usual"),
    ]
