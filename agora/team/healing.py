"""Healing: each fault that is seen becomes an incident, gets its remedy, and ends on record."""

import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import structlog
from psycopg import Error
from psycopg_pool import PoolTimeout

from agora.domain import healing
from agora.domain.contracts import Json
from agora.domain.errors import AgoraError
from agora.domain.healing import FLAPPING, RULES, Course, Signal
from agora.team.clocks import Clock
from memory import events, incidents
from memory.database import Database

log = structlog.get_logger(__name__)
AWAY = (AgoraError, Error, PoolTimeout, OSError)
"""What a database that is away raises: what happens meanwhile is written down when it is back."""

Tell = Callable[[str, str, str], Awaitable[None]]
Work = Callable[[str], Awaitable[Any]]


@dataclass(frozen=True)
class Remedy:
    """What helps against a fault, and how it is taken back when the fault is over."""

    about: str
    do: Work
    undo: Work | None = None


@dataclass
class Incident:
    """One fault while it lasts."""

    signal: Signal
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:16])
    course: Course = field(default_factory=Course)
    evidence: Json = field(default_factory=dict)
    verdict: str = ""  # how it ended
    is_kept: bool = True  # as it stands


@dataclass
class Healing:
    """Faults and remedies of this process; incidents stand where all can read them."""

    database: Database
    clock: Clock
    remedies: dict[str, Remedy]
    tell: Tell
    _living: dict[str, Incident] = field(default_factory=dict, init=False)
    _ended: list[Incident] = field(default_factory=list, init=False)
    _is_away: bool = field(default=False, init=False)

    async def treat(
        self, signals: Sequence[Signal], *, heals: bool = True, is_away: bool = False
    ) -> list[Incident]:
        """Take in what one look says; return the incidents that have begun or ended.

        Without `heals` they are only recorded, and a person is told. While the database `is_away`
        nothing is asked of it: that is made up for when it is back.
        """
        self._is_away = is_away
        await self._read()
        changed = [one for signal in signals if (one := await self._look(signal, heals))]
        await self._keep()
        return changed

    @property
    def living(self) -> list[Incident]:
        """Return the incidents that go on."""
        return [one for one in self._living.values() if one.course.is_open]

    async def newest(self, limit: int) -> list[Any]:
        """Return the newest incidents, of all processes."""
        async with self.database.autocommit() as connection:
            return await incidents.newest(connection, limit)

    async def _look(self, signal: Signal, heals: bool) -> Incident | None:
        known = self._living.get(signal.name)
        if known is None and not signal.is_bad:
            return None
        incident = known or Incident(signal)
        self._living[signal.name] = incident
        step = healing.step(incident.course, RULES[signal.kind], signal.is_bad)
        incident.course = step.course
        if step.opens:
            await self._begin(incident, signal)
        if step.remedy:
            await self._apply(incident, step.remedy, heals)
        if step.tells or (step.opens and not heals):
            await self._tell(incident, "no remedy has helped" if heals else "healing is off")
        if step.closes:
            await self._end(incident)
        elif not incident.course.is_open and not signal.is_bad:
            del self._living[signal.name]  # a single bad look
        return incident if step.opens or step.closes else None

    async def _begin(self, incident: Incident, signal: Signal) -> None:
        now = self.clock()
        incident.signal, incident.is_kept = signal, False
        incident.evidence = {
            "fault": signal.kind,
            "subject": signal.subject,
            "cause": signal.cause,
            "detected_at": now.isoformat(),
            "remedies": [],
        }
        log.warning("incident", fault=signal.kind, subject=signal.subject, cause=signal.cause)
        if self._is_away:
            return
        try:
            async with self.database.autocommit() as connection:
                recent = await incidents.recent(connection, signal.name, now)
        except AWAY:
            return
        if recent >= FLAPPING:
            await self._tell(incident, f"it has come back {recent} times within an hour")

    async def _apply(self, incident: Incident, name: str, heals: bool) -> None:
        incident.is_kept = False
        if not heals:
            return
        remedy, begun = self.remedies[name], time.monotonic()
        told: Json = {"remedy": name, "at": self.clock().isoformat()}
        try:
            said = await remedy.do(incident.signal.subject)
            told |= {"said": str(said)} if said else {}
        except Exception as error:  # a remedy that fails is one that has not helped
            told["error"] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            log.warning("a remedy has failed", remedy=name, error=told["error"])
        told["took_s"] = round(time.monotonic() - begun, 3)
        incident.evidence["remedies"].append(told)

    async def _end(self, incident: Incident) -> None:
        name, now = incident.signal.name, self.clock()
        self._living.pop(name)
        applied = [one["remedy"] for one in incident.evidence["remedies"] if "error" not in one]
        for one in dict.fromkeys(applied):
            await self._take_back(incident, one)
        begun = datetime.fromisoformat(incident.evidence["detected_at"])
        incident.evidence |= {
            "healed_at": now.isoformat(),
            "duration_s": round((now - begun).total_seconds(), 3),
        }
        told = "told_because" in incident.evidence
        incident.verdict = "told" if told else "healed" if applied else "passed"
        incident.is_kept = False
        self._ended.append(incident)

    async def _take_back(self, incident: Incident, name: str) -> None:
        undo = self.remedies[name].undo
        if undo is None:
            return
        others = [one for one in self.living if one is not incident and name in one.course.tried]
        if any(_shares(one, incident, name) for one in others):
            return  # another fault still needs it
        try:
            await undo(incident.signal.subject)
            incident.evidence.setdefault("undone", []).append(name)
        except Exception as error:  # it stays in force, which is safe; a person should know
            await self._tell(incident, f"{name} could not be taken back: {error}")

    async def _tell(self, incident: Incident, why: str) -> None:
        incident.evidence["told_because"], incident.is_kept = why, False
        signal = incident.signal
        text = f"{signal.kind.replace('_', ' ')}: {signal.cause}; {why}"
        if self._is_away:
            log.error("nobody can be told while the database is away", text=text)
            return
        try:
            await self.tell(signal.kind, signal.subject, text)
        except AWAY as error:
            log.error("nobody could be told", text=text, error=str(error))

    async def _read(self) -> None:
        """Take up what other processes have begun, and let go what they have ended."""
        if self._is_away:
            return
        try:
            async with self.database.autocommit() as connection:
                rows = await incidents.living(connection)
        except AWAY:
            return
        known = {row["subject"] for row in rows}
        for name, one in list(self._living.items()):
            if one.course.is_open and one.is_kept and name not in known:
                del self._living[name]  # another process has ended it
        for row in rows:
            told = row["evidence"]
            signal = Signal(told["fault"], told["subject"], True, told["cause"])
            course = Course.read(told.get("course", {}))
            self._living.setdefault(row["subject"], Incident(signal, "", course, told))

    async def _keep(self) -> None:
        """Write down all that has changed, as soon as the database is there."""
        if self._is_away:
            return
        unkept = [one for one in (*self._ended, *self._living.values()) if not one.is_kept]
        try:
            for one in unkept:
                await self._write(one)
        except AWAY as error:
            log.warning("incidents are written down later", error=str(error))
            return
        self._ended.clear()

    async def _write(self, incident: Incident) -> None:
        evidence = incident.evidence | {"course": asdict(incident.course)}
        name = incident.signal.name
        async with self.database.transaction() as connection:
            await incidents.keep(connection, incident.id or uuid.uuid4().hex[:16], name, evidence)
            kind = "incident.open"
            if incident.verdict:
                await incidents.close(connection, name, evidence, incident.verdict)
                kind = f"incident.{incident.verdict}"
            told = {key: evidence[key] for key in ("fault", "subject", "cause", "remedies")}
            await events.publish(connection, f"incident-{incident.id}", kind, told)
        incident.is_kept = True


def _shares(one: Incident, other: Incident, remedy: str) -> bool:
    """Return whether taking a remedy back for one would take it from the other, too."""
    return remedy == "shed_load" or one.signal.subject == other.signal.subject
