"""Monitoring: every part is asked how it is, and what it says is kept."""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from agora.domain.contracts import Json
from agora.domain.errors import AgoraError
from agora.domain.health import Check, graded
from agora.domain.repair.sandbox import choose_sandbox
from agora.domain.roster import discover
from agora.domain.settings import HealthSettings, Settings
from agora.team.clocks import Clock
from agora.team.indexing import Indexing
from agora.team.lag import Lag
from agora.team.market import Market
from agora.team.stream import Stream
from memory import beats, queue
from memory.chroma import IndexHeldError
from memory.database import Database, Row

GROUP = "vigil"
"""The workers, one of which looks at what all share."""
DEAR_LOOKS = 3
"""What costs more to look at, such as files and sandboxes, is looked at every so many looks."""
TICK_S = 30.0
"""A scheduler puts something in line every five seconds; one that is silent for so long is late."""
HOST = socket.gethostname()

Probe = Callable[[], Awaitable[list[Check]]]


@dataclass
class Monitoring:
    """Looks at parts that all processes share, and at this one."""

    settings: Settings
    database: Database
    stream: Stream
    market: Market
    indexing: Indexing
    clock: Clock
    lag: Lag = field(default_factory=Lag, init=False)
    _dear: list[Check] = field(default_factory=list, init=False)
    _looks: int = field(default=0, init=False)

    @property
    def limits(self) -> HealthSettings:
        """Return what is too much."""
        return self.settings.health

    @property
    def itself(self) -> str:
        """Return the name of this process among beats."""
        return f"process:{HOST}-{os.getpid()}"

    async def shared(self) -> list[Check]:
        """Look at what all processes share."""
        cheap: list[tuple[str, Probe]] = [
            ("store:postgresql", self._postgresql),
            ("store:redis", self._redis),
            ("scheduler:jobs", self._scheduler),
            ("router:auction", self._router),
            ("model:servers", self._models),
        ]
        if self._looks % DEAR_LOOKS == 0:
            dear: list[tuple[str, Probe]] = [
                ("store:index", self._index),
                ("tools:sandbox", self._sandbox),
            ]
            self._dear = await self._all(dear)
        self._looks += 1
        return [*await self._all(cheap), *self._dear]

    async def own(self) -> list[Check]:
        """Look at this process and its machine."""
        return [*await asyncio.to_thread(_machine, self.settings), *self._here()]

    async def keep(self, checks: list[Check]) -> None:
        """Write beats and measures down."""
        now, every = self.clock(), timedelta(seconds=self.limits.every_s)
        async with self.database.transaction() as connection:
            await beats.beat(connection, checks, now, every)
            await beats.measure(connection, self.itself, now, checks)

    async def known(self) -> list[Row]:
        """Return the newest beat of each part."""
        async with self.database.autocommit() as connection:
            return await beats.every(connection)

    async def leave(self) -> None:
        """Say that this process ends in good order: nobody has to miss it."""
        names = [self.itself, f"system:loop@{self.itself.partition(':')[2]}"]
        async with self.database.autocommit() as connection:
            await beats.forget(connection, names)

    async def history(self, hours: float) -> list[Row]:
        """Return what was measured in these hours."""
        async with self.database.autocommit() as connection:
            return await beats.history(connection, self.clock() - timedelta(hours=hours))

    async def prune(self) -> int:
        """Let old measures go; return how many."""
        before = self.clock() - timedelta(days=self.limits.history_days)
        async with self.database.autocommit() as connection:
            return await beats.prune(connection, before)

    async def _all(self, probes: list[tuple[str, Probe]]) -> list[Check]:
        """Ask all at once: one that hangs is given up, and holds up none of the others."""
        found = await asyncio.gather(*(self._one(name, probe) for name, probe in probes))
        return [check for checks in found for check in checks]

    async def _one(self, name: str, probe: Probe) -> list[Check]:
        try:
            async with asyncio.timeout(self.limits.probe_s):
                return await probe()
        except TimeoutError:
            return [Check(name, "fail", f"no answer within {self.limits.probe_s:g} s")]
        except Exception as error:  # a part's own, whatever it dies of: that is what we look for
            return [Check(name, "fail", f"{type(error).__name__}: {' '.join(str(error).split())}")]

    async def _postgresql(self) -> list[Check]:
        begun = time.monotonic()
        async with self.database.autocommit() as connection:
            await connection.execute("SELECT 1")
            ms = 1000 * (time.monotonic() - begun)
            waiting = (await queue.depth(connection))["waiting"]
        used = self.database.usage
        pool = graded("store:pool", used["waiting"], 1, 1e9, "requests", "waiting for a connection")
        most = self.limits.queue_jobs
        line = graded("scheduler:queue", waiting, most, 10 * most, "jobs", "waiting jobs")
        return [Check("store:postgresql", value=round(ms, 2), unit="ms"), pool, line]

    async def _redis(self) -> list[Check]:
        ensure = getattr(self.stream.delivery, "ensure_ours", None)
        if ensure is None:
            return []  # not configured
        await ensure()
        return [Check("store:redis")]

    async def _scheduler(self) -> list[Check]:
        async with self.database.autocommit() as connection:
            if not await queue.workers(connection):
                return []  # no worker was ever begun, or all were stopped in good order
            age_s = await queue.ticked(connection)
        if age_s is None:
            return []
        return [graded("scheduler:jobs", age_s, TICK_S, 10 * TICK_S, "s", "since the last tick")]

    async def _router(self) -> list[Check]:
        bidders = await self.market.bidders()
        return [Check("router:auction", value=len(bidders), unit="bidders")]

    async def _models(self) -> list[Check]:
        offered = await self.market.offered()
        # The names that settings give are not taken on trust: their servers are asked.
        named = {name: getattr(self.settings, name) for name in ("ollama", "openai")}
        asked = {name: one.model_copy(update={"models": None}) for name, one in named.items()}
        found = await discover(self.settings.model_copy(update=asked))
        silent = {fault.server: str(fault) for fault in found.faults}
        faults = (await self.market.models()).faults
        told = [Check(f"model:{one.server}", "fail", str(one)) for one in faults]
        return told + [_model(one, silent) for one in offered]

    async def _index(self) -> list[Check]:
        try:
            await self.indexing.touch()
        except IndexHeldError:
            return [Check("store:index")]  # held by another process, which looks at it
        return [Check("store:index", value=self.indexing.index.repairs, unit="repairs")]

    async def _sandbox(self) -> list[Check]:
        try:
            await asyncio.to_thread(choose_sandbox, self.settings.sandbox, trust_workspace=False)
        except AgoraError as error:
            return [Check("tools:sandbox", "warn", str(error))]
        return [Check("tools:sandbox")]

    def _here(self) -> list[Check]:
        import psutil

        mb = psutil.Process().memory_info().rss / 2**20
        name, most = self.itself, self.limits.process_mb
        lag_s, where = self.lag.taken()
        loop = f"system:loop@{name.partition(':')[2]}"
        slow = graded(loop, round(lag_s, 3), self.limits.lag_s, 30.0, "s", "the event loop stood")
        if where and slow.status != "pass":
            slow = Check(loop, slow.status, f"{slow.said}, in {where}", slow.value, "s")
        return [graded(name, round(mb, 1), most, 2 * most, "MiB", "memory of this process"), slow]


def _model(one: Json, silent: dict[str, str]) -> Check:
    name = f"model:{one['name']}"
    if one["server"] in silent:
        return Check(name, "fail", silent[one["server"]], 0.0, "health")
    if one["breaker"] != "closed":
        return Check(name, "fail", one["why"], one["health"], "health")
    if one["health"] < 0.5:
        return Check(name, "warn", "slower or less sound than usual", one["health"], "health")
    return Check(name, value=one["health"], unit="health")


def _machine(settings: Settings) -> list[Check]:
    """Return how much of this machine is used. Reads files: not for the event loop."""
    import psutil

    limits, folder = settings.health, settings.folder
    while not folder.exists():
        folder = folder.parent
    cpu: Any = psutil.cpu_percent(interval=None)
    measured = (
        ("cpu", cpu, limits.cpu_percent, "the CPU is used to"),
        ("memory", psutil.virtual_memory().percent, limits.memory_percent, "memory is used to"),
        (
            "disk",
            psutil.disk_usage(str(folder)).percent,
            limits.disk_percent,
            "the disk is full to",
        ),
    )
    return [
        graded(f"system:{name}@{HOST}", value, most, 101.0, "%", of)
        for name, value, most, of in measured
    ]
