"""Upkeep: what is over goes, in small steps beside live traffic; what anything needs stays.

A step may be killed anywhere and done again. To add one, write how much it would do (`plan`) and
a function that does a batch of it (`do`), and put it into STEPS.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from agora import team
from agora.app.runs import Runs
from agora.app.takeover import ended, forget
from agora.domain import prompt_records, tool_records
from agora.domain.contracts import Json
from agora.domain.errors import AgoraError
from agora.domain.settings import Settings
from agora.team.market import KINDS
from memory import upkeep
from memory.upkeep import ANSWERS, MEMORIES, NEWS, SWEEPS, Freed, Sweep

Doing = Callable[[Runs], Awaitable[Freed]]


class UpkeepHeldError(AgoraError):
    """Another upkeep is at work on this database."""


@dataclass(frozen=True)
class Step:
    """One kind of thing that may go."""

    name: str
    plan: Doing  # what would go; changes nothing
    do: Doing  # lets a batch go, and returns it; an empty one is the last


async def _count(sweep: Sweep, runs: Runs) -> Freed:
    async with team.current().database.autocommit() as connection:
        return await upkeep.count(connection, sweep, limits(team.current().settings))


async def _remove(sweep: Sweep, runs: Runs) -> Freed:
    async with team.current().database.autocommit() as connection:
        return await upkeep.remove(connection, sweep, limits(team.current().settings))


async def _ended(runs: Runs) -> Freed:
    return Freed(len(await ended(runs.graphs)))


async def _forget(runs: Runs) -> Freed:
    return Freed(await forget(await ended(runs.graphs)))


async def _answers(runs: Runs) -> Freed:
    return Freed(await team.current().recalling.expire())


async def _news(runs: Runs) -> Freed:
    return Freed(await team.current().scouting.expire())


async def _memories(runs: Runs) -> Freed:
    try:
        return Freed(sum((await team.current().remembering.upkeep()).values()))
    finally:
        await team.current().indexing.close()  # other processes may have the files again


STEPS: list[Step] = [
    Step("claims of ended runs", _ended, _forget),
    *(Step(name, partial(_count, one), partial(_remove, one)) for name, one in SWEEPS.items()),
    Step("expired answers", partial(_count, ANSWERS), _answers),
    Step("old news", partial(_count, NEWS), _news),
    Step("memories", partial(_count, MEMORIES), _memories),
]


def limits(settings: Settings) -> dict[str, Any]:
    """Return how long what is over is kept."""
    return {
        "stream": timedelta(days=settings.stream.days),
        "channel": timedelta(seconds=settings.stream.channel_s),
        "acts": timedelta(days=settings.upkeep.acts_days),
        "history": timedelta(days=settings.upkeep.checkpoints_days),
        "news": 4 * timedelta(days=settings.scout.news_days),
        "kept": sorted({*KINDS, *tool_records.KINDS, *prompt_records.KINDS}),
    }


async def plan(runs: Runs, tell: Callable[[str], None]) -> Json:
    """Return what an upkeep would do now."""
    begun, steps = time.monotonic(), {}
    for step in STEPS:
        tell(f"looking at {step.name}")
        steps[step.name] = await step.plan(runs)
    return _report(steps, [], begun)


async def tidy(runs: Runs, tell: Callable[[str], None]) -> Json:
    """Do the upkeep and return what was done; raise UpkeepHeldError while another one is at it."""
    async with team.current().database.autocommit() as holding:
        if not await upkeep.begin(holding):
            raise UpkeepHeldError("another upkeep is at work", "it ends by itself")
        begun, steps = time.monotonic(), {}
        try:
            for step in STEPS:
                steps[step.name] = await _all(step, runs, tell)
            tell("making room")
            report = _report(steps, await upkeep.vacuum(holding), begun)
        except BaseException:
            await upkeep.release(holding)
            raise
        await upkeep.end(holding, report)
    return report


async def _all(step: Step, runs: Runs, tell: Callable[[str], None]) -> Freed:
    total = Freed()
    while (batch := await step.do(runs)).rows:
        total += batch
        tell(f"{step.name}: {total.rows}")
    return total


def _report(steps: dict[str, Freed], vacuumed: list[str], begun: float) -> Json:
    total = sum(steps.values(), Freed())
    return {
        "rows": total.rows,
        "bytes": total.bytes,
        "steps": {name: {"rows": one.rows, "bytes": one.bytes} for name, one in steps.items()},
        "vacuumed": vacuumed,
        "seconds": round(time.monotonic() - begun, 2),
    }


async def tidy_if_due(runs: Runs) -> None:
    """Do the upkeep if the last one is long ago and no other one is at work."""
    every = timedelta(hours=team.current().settings.upkeep.every_h)
    async with team.current().database.autocommit() as connection:
        is_due = await upkeep.is_due(connection, every)
    if is_due:
        with suppress(UpkeepHeldError):
            await tidy(runs, lambda said: None)
