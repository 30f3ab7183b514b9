"""A vigil whose looks are made one by one, in a time that passes as it is told to."""

from datetime import UTC, datetime, timedelta
from typing import Any

from agora.app import runs
from agora.app.vigil import Vigil
from agora.team import Team
from tests.conftest import ask

LOOK_S = 15.0
INCIDENTS = "SELECT subject, status, verdict, evidence FROM opportunities WHERE kind = 'incident'"


class Time:
    """A day that passes as it is told to: the clock, and what counts from the start."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.ticks = 0.0

    def __call__(self) -> datetime:
        return self.now

    def jump(self, seconds: float) -> None:
        """Set the clock, while no time passes."""
        self.now += timedelta(seconds=seconds)

    def passes(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)
        self.ticks += seconds


class Watched:
    """A vigil whose looks are made one by one."""

    def __init__(self, team: Team, running: runs.Runs) -> None:
        self.time = Time()
        for part in (team.monitoring, team.capabilities, team.market, team.market.admission):
            object.__setattr__(part, "clock", self.time)
        object.__setattr__(team, "clock", self.time)
        # Looks come within milliseconds here, and others use this machine, too.
        quiet = {"cpu_percent": 1e9, "memory_percent": 100.0, "disk_percent": 100.0, "lag_s": 1e9}
        quiet["probe_s"] = 60.0
        health = team.settings.health.model_copy(update=quiet)
        team.monitoring.settings = team.settings.model_copy(update={"health": health})
        self.team, self.vigil = team, Vigil.of(team, running)
        self.vigil.detecting.ticks = lambda: self.time.ticks

    async def look(self, count: int = 1) -> list[str]:
        """Look so many times, and return what has begun or ended."""
        changed = []
        for _ in range(count):
            self.time.passes(LOOK_S)
            changed += await self.vigil.round()
        return [one.signal.name for one in changed]

    async def incident(self, subject: str) -> dict[str, Any]:
        """Return the newest incident of a subject."""
        found = await ask(self.team, INCIDENTS + " AND subject = %s", subject)
        return found[-1]

    def remedies(self, incident: dict[str, Any]) -> list[str]:
        """Return what was done about an incident."""
        return [one["remedy"] for one in incident["evidence"]["remedies"]]
