"""The vigil of a worker: it looks at all parts, says that it lives, and heals what it can."""

import asyncio
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog
from psycopg import Error
from psycopg.errors import DiskFull
from psycopg_pool import PoolTimeout

from agora.app import activation, making_room
from agora.app.runs import Runs
from agora.app.takeover import abandoned, failed_by_database, take_over
from agora.domain.errors import AgoraError
from agora.domain.healing import Signal
from agora.domain.health import MISSED, Check
from agora.team import Team
from agora.team.detecting import Detecting
from agora.team.healing import Healing, Incident, Remedy
from agora.team.monitoring import GROUP
from agora.team.remedies import Remedies
from memory import beats, cursors
from memory.database import heed_cancellation
from memory.events import Cursor

log = structlog.get_logger(__name__)
AWAY = (AgoraError, Error, PoolTimeout, OSError)
ROUNDS_A_DAY = 5000
"""Old measures are let go every so many rounds."""
PROBED = ("slow_model", "dead_model")
OF_A_PROCESS = ("process_lost", "memory_short", "loop_blocked")


@dataclass
class Vigil:
    """One process that looks after itself; one of all looks after what they share."""

    team: Team
    runs: Runs
    healing: Healing
    detecting: Detecting
    remedies: Remedies
    holder: str = field(default_factory=lambda: uuid.uuid4().hex)
    _rounds: int = field(default=0, init=False)

    @classmethod
    def of(cls, team: Team, runs: Runs) -> "Vigil":
        """Return the vigil of a worker with these graphs."""
        remedies = Remedies(team)
        every = remedies.all() | {
            "resume_runs": Remedy("runs go on that it has cut", partial(resume, runs)),
            "take_over": Remedy("its work is done by others", partial(relieve, team, runs)),
            "make_room": Remedy("what is over goes", partial(make_room, team, runs)),
            "restart_pool": Remedy(
                "connections are made anew", remedies.restart_pool, partial(resume, runs)
            ),
        }
        detecting = Detecting(
            team.database,
            team.market,
            team.capabilities,
            team.clock,
        )
        healing = Healing(team.database, team.clock, every, partial(tell, team))
        return cls(team, runs, healing, detecting, remedies)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        self.team.monitoring.lag.watch()
        try:
            while True:
                await self.round()
                heed_cancellation()
                await asyncio.sleep(self.team.settings.health.every_s)
        finally:
            self.team.monitoring.lag.close()
            with suppress(*AWAY):
                await self.team.monitoring.leave()
                async with self.team.database.autocommit() as connection:
                    await cursors.leave(connection, GROUP, self.holder)

    async def round(self) -> list[Incident]:
        """Look once, and do what follows; return the incidents that have begun or ended."""
        own, self._rounds = await self.team.monitoring.own(), self._rounds + 1
        signals = self.detecting.own(own)
        if said := await self._is_away():
            signals.append(Signal("database_gone", "postgresql", True, said))
            heals = self.team.capabilities.has("healing")
            return await self.healing.treat(signals, heals=heals, is_away=True)
        try:
            return await self._look(own, signals)
        except AWAY as error:  # it has gone while it was asked: the next look tells
            log.warning("a look was cut short", error=str(error))
            return []

    async def _look(self, own: list[Check], signals: list[Signal]) -> list[Incident]:
        monitoring = self.team.monitoring
        await self.team.capabilities.read()
        shared = await monitoring.shared() if await self._holds() else []
        signals += await self.detecting.shared(shared) if shared else []
        signals += await self._kept([*own, *shared], signals)
        heals = self.team.capabilities.has("healing")
        changed = await self.healing.treat(signals, heals=heals)
        if heals:
            await self._probe()
        await making_room.reserve(self.team)
        if shared:
            await activation.compare(self.team)
        if self._rounds % ROUNDS_A_DAY == 0:
            await monitoring.prune()
        return changed

    async def _is_away(self) -> str:
        """Return why the database cannot be asked; "" where it can."""
        patience_s = self.team.settings.health.probe_s
        try:
            async with asyncio.timeout(patience_s):
                async with self.team.database.autocommit() as connection:
                    await connection.execute("SELECT 1")
        except TimeoutError:
            return f"no answer within {patience_s:g} s"
        except AWAY as error:
            return " ".join(str(error).split())
        return ""

    async def _holds(self) -> bool:
        """Return whether this process looks after what all share."""
        lease = timedelta(seconds=MISSED * self.team.settings.health.every_s)
        async with self.team.database.autocommit() as connection:
            held = await cursors.hold(connection, GROUP, self.holder, Cursor(), lease)
        return held is not None

    async def _kept(self, checks: list[Check], before: list[Signal]) -> list[Signal]:
        """Write the beats down; return what that shows: a full database, lost processes."""
        try:
            await self.team.monitoring.keep(checks)
            known = await self.team.monitoring.known()
        except DiskFull as error:
            return [self.detecting.full(error)]
        if any(one.kind == "clock_jumped" and one.is_bad for one in before):
            return [self.detecting.full(None)]  # by this clock no age is true
        itself = self.team.monitoring.itself
        lost = self.detecting.lost(known, self.team.clock(), itself)
        return [self.detecting.full(None), *lost, *self._over(lost, itself)]

    def _over(self, lost: list[Signal], itself: str) -> list[Signal]:
        """Return that a fault of a process is over with the process."""
        there = {one.subject for one in lost} | {itself.partition(":")[2]}
        mine = [one.signal for one in self.healing.living if one.signal.kind in OF_A_PROCESS]
        return [
            Signal(one.kind, one.subject, False)
            for one in mine
            if one.subject not in there and not one.subject.startswith("machine ")
        ]

    async def _probe(self) -> None:
        """Ask local models that are ill, so that they are missed no longer than they have to be."""
        ill = {one.signal.subject for one in self.healing.living if one.signal.kind in PROBED}
        for model in sorted(ill):
            with suppress(*AWAY):
                await self.remedies.probe(model)


async def resume(runs: Runs, _: str) -> str:
    """Go on with the runs that a database has cut that was away, restarted or full."""
    threads = await failed_by_database(runs.graphs)
    for thread_id in threads:
        await take_over(runs.graphs, thread_id, is_asked_for=True)
    return f"{len(threads)} runs go on"


async def make_room(team: Team, runs: Runs, subject: str) -> str:
    """Let go what is over, then go on with the runs that could not be written down."""
    return f"{await making_room.make(team, runs, subject)}; {await resume(runs, subject)}"


async def relieve(team: Team, runs: Runs, process: str) -> str:
    """Do what a dead process has left, and expect nothing of it any more."""
    threads = await abandoned(runs.graphs)
    for thread_id in threads:
        await take_over(runs.graphs, thread_id)
    async with team.database.autocommit() as connection:
        await beats.forget(connection, [f"process:{process}", f"system:loop@{process}"])
    return f"{len(threads)} threads were taken over"


async def tell(team: Team, kind: str, subject: str, text: str) -> None:
    """Tell a person."""
    await team.alerting.alert(kind, subject, text, "critical")
