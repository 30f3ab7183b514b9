"""Making room: what a full disk is answered with, and the reserve that lets it be answered."""

import asyncio
import shutil
from pathlib import Path

from agora.app import snapshots, upkeep
from agora.app.runs import Runs
from agora.team import Team

SPARE = 4
"""The reserve is kept where so many times as much is free: it must never fill a disk itself."""


async def reserve(team: Team) -> None:
    """Keep a file that can be let go when nothing else could be written."""
    await asyncio.to_thread(_reserve, _place(team), team.settings.health.reserve_mb)


def _reserve(place: Path, size_mb: int) -> None:
    if not size_mb or place.exists() or not place.parent.is_dir():
        return
    if shutil.disk_usage(place.parent).free < SPARE * size_mb * 2**20:
        return
    being_made = place.with_suffix(".part")
    try:
        with being_made.open("wb") as file:
            for _ in range(size_mb):
                file.write(bytes(2**20))
        being_made.rename(place)
    except OSError:  # the disk has filled up meanwhile: it is needed now
        being_made.unlink(missing_ok=True)


async def make(team: Team, runs: Runs, _: str) -> str:
    """Let the reserve and all that is over go; the database, started if it is down, first of all.

    Without the reserve it could not even write down what it deletes.
    """
    freed = await asyncio.to_thread(_let_go, _place(team))
    await team.database.restart()
    gone = await snapshots.prune(team, 1)
    report = await upkeep.tidy(runs, lambda said: None)
    told = f"{freed / 2**20:.0f} MiB of reserve, {gone} snapshots, {report['rows']} rows"
    return f"{told} were let go"


def _let_go(place: Path) -> int:
    size = place.stat().st_size if place.exists() else 0
    place.unlink(missing_ok=True)
    return size


def _place(team: Team) -> Path:
    return team.settings.folder / "reserve"
