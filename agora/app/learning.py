"""Learning beside tasks: trials go on, what has dropped is found, and people are asked."""

import structlog

from agora import team
from agora.app.runs import Runs
from agora.domain.contracts import Json
from agora.team.promoting import thread_of
from agora.team.prompting import KIND
from memory.database import Row

log = structlog.get_logger(__name__)


async def go_on(runs: Runs) -> list[str]:
    """Do what can be done now; return the experts whose prompts are to be rewritten."""
    current = team.current()
    pairs, judged = await current.trying.run(), await current.trying.judge_some()
    await current.learning.watch()
    for ended in await current.promoting.conclude():
        log.info("a trial has ended", **ended)
    for row in await current.changing.waiting():
        if row["kind"] == KIND:
            await ask_person(runs, row)
    told = await current.mirroring.run()
    log.info("trials went on", pairs=pairs, judged=judged, told=told)
    return await current.architecting.due()


async def rewrite(runs: Runs, expert: str) -> None:
    """Search for a better prompt of an expert."""
    told = await team.current().architecting.rewrite(expert, lambda said: None)
    log.info("a prompt was searched for", **told)


async def ask_person(runs: Runs, row: Row) -> None:
    """Let a proved prompt wait for a person, at an interrupt as every change does."""
    thread_id = thread_of(row["id"])
    if not await runs.is_known(thread_id):
        await runs.start("improvement", _order(row), thread_id, lambda piece: None)


def _order(row: Row) -> Json:
    return {"task": {"workspace": row["workspace"], "change": row["id"]}}
