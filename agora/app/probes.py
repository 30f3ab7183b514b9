"""Probes: is it well, can it take tasks. What `/healthz`, `/readyz` and `agora health` answer."""

import asyncio
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from psycopg import Error
from psycopg_pool import PoolTimeout

from agora.domain import health as reporting
from agora.domain.contracts import AgentTask, Json
from agora.domain.errors import AgoraError
from agora.domain.health import Check
from agora.team import Team
from agora.team.monitoring import GROUP
from memory import cursors
from memory.database import Row

PATIENCE_S = 3.0
"""How long the database may take to answer a probe."""
BROKEN = (AgoraError, Error, PoolTimeout, TimeoutError, OSError)


async def health(team: Team) -> Json:
    """Return application/health+json; `status` is pass, warn or fail.

    Where a worker looks after the parts it is what that has last seen; else they are asked now.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            async with team.database.autocommit() as connection:
                is_watched = await cursors.is_read(connection, GROUP)
            known = await team.monitoring.known()
    except BROKEN as error:
        gone = Check("store:postgresql", "fail", " ".join(str(error).split()) or "no answer")
        return _report(team, _rows(team, [gone, *await team.monitoring.own()]))
    seen = [] if is_watched else await team.monitoring.shared()
    fresh = _rows(team, [*seen, *await team.monitoring.own()])
    return _report(team, [*fresh, *_others(known, fresh)])


async def is_ready(team: Team) -> bool:
    """Return whether a task can be taken: the database answers, and an expert can bid.

    Where no model is configured the built-in experts are all there is, and they can.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            async with team.database.autocommit() as connection:
                await connection.execute("SELECT 1")
            found = await team.market.models()
            if not found.models:
                return not found.faults
            task = AgentTask(text="ready?")
            offers, _ = await team.market.offers(task, {"mix": team.market.mix(task)})
    except BROKEN:
        return False
    return any(one.model and not one.barred and not one.resting for one in offers)


def _report(team: Team, rows: Sequence[Row]) -> Json:
    return reporting.report(rows, team.clock(), version("agora-team"))


def _others(known: Sequence[Row], fresh: Sequence[Row]) -> list[Row]:
    """Return the beats of what was not asked now; what this very process said before is over."""
    names = {row["name"] for row in fresh}
    return [row for row in known if row["name"] not in names]


def _rows(team: Team, checks: Sequence[Check]) -> list[dict[str, Any]]:
    now = team.clock()
    every_s = team.settings.health.every_s
    return [
        one.as_json()
        | {"at": now, "every_s": every_s}
        | {"failed": one.said, "failed_at": now if one.said else None}
        for one in checks
    ]


async def extremes(team: Team, hours: float) -> dict[str, tuple[float, float]]:
    """Return the least and the most that was measured of each part in these hours."""
    found: dict[str, tuple[float, float]] = {}
    for row in await team.monitoring.history(hours):
        for name, value in row["told"].items():
            least, most = found.get(name, (value, value))
            found[name] = min(least, value), max(most, value)
    return found
