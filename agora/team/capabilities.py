"""Capabilities: what is on, what rests, and how each is moved; the core goes on without any."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import structlog
from psycopg import Error
from psycopg_pool import PoolTimeout

from agora.domain import phases
from agora.domain.contracts import Act, ActOutcome, Json
from agora.domain.errors import AgoraError, UsageError
from agora.domain.phases import CAPABILITIES, FAILURES, SHIPPED, Gate, Phase
from agora.domain.settings import Settings
from agora.team import telemetry
from agora.team.acting import Acting, standing_alone
from agora.team.clocks import Clock
from memory import events
from memory import phases as table
from memory.database import Database, Row

log = structlog.get_logger(__name__)
FRESH_S = 5.0
"""How long a process takes the phases as it has read them."""
FAILED, SHED = "failed: ", "overload: "
"""How the reasons of rests begin that failures, or healing, have brought about."""
OURS = (AgoraError, Error, PoolTimeout)
"""Errors that are not a capability's own: the core has to hear of them."""

T = TypeVar("T")


class GateShutError(AgoraError):
    """A capability may not be moved: a gate is shut, or too many have failed."""

    exit_code = 4


@dataclass
class Capabilities:
    """The phases of all capabilities, as this process knows them."""

    settings: Settings
    database: Database
    acting: Acting
    clock: Clock
    _rows: dict[str, Row] = field(default_factory=dict, init=False)
    _read_at: float | None = field(default=None, init=False)

    def has(self, name: str, case_id: str = "") -> bool:
        """Return whether a capability acts on a case; without one, whether it acts at all."""
        if not self.is_wanted(name):
            return False
        row = self._rows.get(name)
        if row is None:
            return True
        return not row["paused"] and (
            phases.acts_on(row["phase"], case_id) or (case_id == "" and row["phase"] == "isolated")
        )

    def is_wanted(self, name: str) -> bool:
        """Return whether the settings let a capability be there at all."""
        return bool(getattr(self.settings.capabilities, name))

    async def refresh(self) -> None:
        """Read the phases again, if that is long ago."""
        now = asyncio.get_running_loop().time()
        if self._read_at is None or now - self._read_at > FRESH_S:
            self._read_at = now
            await self.read()

    async def read(self) -> dict[str, Row]:
        """Read the phases now."""
        async with self.database.autocommit() as connection:
            rows = await table.every(connection)
        self._rows = {row["name"]: row for row in rows if row["name"] in CAPABILITIES}
        telemetry.mute(not self.has("telemetry"))
        return self._rows

    async def attempt(
        self, name: str, case_id: str, do: Callable[[], Awaitable[T]], otherwise: T
    ) -> T:
        """Return what a capability makes of a case, or what the core does without it.

        What a capability dies of costs the case nothing: it is counted, and after three in a row
        the capability is paused, alone.
        """
        if not self.has(name, case_id):
            return otherwise
        try:
            made = await do()
        except OURS:
            raise
        except Exception as error:  # whatever its code dies of: the core goes on without it
            await self._failed(name, error)
            return otherwise
        if self._rows.get(name, {}).get("failures"):
            async with self.database.autocommit() as connection:
                await table.worked(connection, name)
            self._rows[name]["failures"] = 0
        return made

    async def _failed(self, name: str, error: Exception) -> None:
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        log.error("a capability has failed; the core goes on without it", name=name, error=why)
        async with self.database.autocommit() as connection:
            count = await table.failed(connection, name, self.phase(name), self.clock())
        if count >= FAILURES:
            await self.pause(name, f"{FAILED}{why}")
        await self.read()

    def phase(self, name: str) -> Phase:
        """Return the phase of a capability."""
        row = self._rows.get(name)
        found: Phase = row["phase"] if row else SHIPPED
        return found

    async def pause(self, name: str, why: str) -> bool:
        """Let a capability rest, whatever its phase; return False: it does already."""
        _refuse_unknown(name)
        async with self.database.transaction() as connection:
            phase = self.phase(name)
            is_new = await table.pause(connection, name, phase, why, self.clock())
            if is_new:
                told = {"capability": name, "phase": phase, "why": why}
                await events.publish(connection, _case(), "capability.paused", told)
        if is_new:
            await self.acting.record("pause_capability", name, "allow", reasons=[why])
        await self.read()
        return is_new

    async def resume(self, name: str, why: str = "") -> bool:
        """End a capability's rest, if its reason begins so; return whether it had rested."""
        _refuse_unknown(name)
        async with self.database.transaction() as connection:
            has_ended = await table.resume(connection, name, why)
            if has_ended:
                told = {"capability": name, "phase": self.phase(name)}
                await events.publish(connection, _case(), "capability.resumed", told)
        if has_ended:
            await self.acting.record("resume_capability", name, "allow", reasons=[why or "asked"])
        await self.read()
        return has_ended

    async def shed(self, why: str) -> list[str]:
        """Let what can wait rest while there is too much to do; return what does."""
        await self.read()
        names = {one: self.phase(one) for one in CAPABILITIES if self.has(one)}
        return [one for one in phases.shed(names) if await self.pause(one, f"{SHED}{why}")]

    async def unshed(self) -> list[str]:
        """End the rests that overload has brought about; return whose."""
        return [name for name in await self.read() if await self.resume(name, SHED)]

    async def next_phase(self, name: str) -> Phase:
        """Return the phase above that of a capability.

        Raises GateShutError: it has failed itself, or three others have; UsageError: it is
        hybrid, or the settings switch it off.
        """
        _refuse_unknown(name)
        await self.read()
        if not self.is_wanted(name):
            raise UsageError(f"the settings switch {name} off", f"capabilities.{name}: true")
        failed = self.failed()
        if name in failed or len(failed) >= FAILURES:
            raise GateShutError(
                f"{', '.join(failed)} failed: nothing goes on before it is known why",
                f"then: agora capabilities deactivate {failed[0]}",
            )
        phase = phases.above(self.phase(name))
        if phase is None:
            raise UsageError(f"{name} is hybrid: there is no phase above")
        return phase

    async def activate(self, name: str, found: list[Gate], by: str) -> Phase:
        """Move a capability up by one phase through its gates; return the new phase.

        Raises GateShutError: a gate is shut, and whatever `next_phase` raises.
        """
        phase = await self.next_phase(name)
        if shut := phases.shut(found, phase):
            said = "; ".join(f"{one.name}: {one.said}" for one in shut)
            raise GateShutError(f"{name} stays {self.phase(name)}: {said}", "agora capabilities")
        return await self._move(name, phase, {"gates": [one.as_json() for one in found]}, by)

    async def deactivate(self, name: str, why: str, by: str) -> Phase:
        """Move a capability back to dormant; nothing else is touched."""
        _refuse_unknown(name)
        await self.read()
        return await self._move(name, "dormant", {"why": why}, by)

    @property
    def known(self) -> list[str]:
        """Return the names of those that were ever moved, paused, or have failed."""
        return list(self._rows)

    def since(self, name: str) -> datetime | None:
        """Return when a capability was last moved; None: never."""
        row = self._rows.get(name)
        return row["moved_at"] if row else None

    def paused(self, name: str) -> str:
        """Return why a capability rests; "" where it does not."""
        row = self._rows.get(name)
        return str(row["paused"]) if row else ""

    def failed(self) -> list[str]:
        """Return the capabilities that rest because they have failed."""
        return [name for name, row in self._rows.items() if row["paused"].startswith(FAILED)]

    async def _move(self, name: str, phase: Phase, evidence: Json, by: str) -> Phase:
        before = self.phase(name)

        async def do() -> ActOutcome:
            change = evidence | {"from": before, "to": phase, "by": by}
            async with self.database.transaction() as connection:
                await table.move(connection, name, phase, change, self.clock())
                told = {"capability": name, "from": before, "phase": phase, "by": by}
                await events.publish(connection, _case(), "capability.moved", told)
            return ActOutcome(result={"phase": phase})

        act = Act(kind="promote", subject=f"capability {name}", actor=by)
        with standing_alone(_case(), "capability"):
            await self.acting.perform(act, do)
        await self.read()
        return phase

    async def listed(self) -> list[Json]:
        """Return every capability: its phase, whether it acts, why not, since when."""
        await self.read()
        return [self._told(name) for name in CAPABILITIES]

    def _told(self, name: str) -> Json:
        row: Any = self._rows.get(name) or {}
        why = row.get("paused", "")
        if not self.is_wanted(name):
            why = f"switched off: capabilities.{name}"
        moved = row.get("moved_at")
        return {
            "name": name,
            "about": CAPABILITIES[name].about,
            "phase": self.phase(name),
            "is_on": self.has(name),
            "why_not": why,
            "failures": row.get("failures", 0),
            "since": moved.isoformat() if moved else None,
        }


def _case() -> str:
    return f"capability-{uuid.uuid4().hex[:12]}"


def _refuse_unknown(name: str) -> None:
    if name not in CAPABILITIES:
        raise UsageError(f"there is no capability {name}", f"known: {', '.join(CAPABILITIES)}")
