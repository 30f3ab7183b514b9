"""agora worker: does the background work, until it is told to stop."""

import asyncio
import signal
from contextlib import suppress
from typing import Annotated

import typer

from agora.app import arenas
from agora.app.cli import output


def worker(
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=50, help="Jobs at once; default: worker.concurrency.")
    ] = None,
    parent: Annotated[int | None, typer.Option("--with-parent", hidden=True)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Do background jobs: takeover, pulses, upkeep. Ctrl-C or SIGTERM ends it in good order."""
    arenas.keep_few()
    if parent is not None:
        from agora.app.supervising import end_with

        end_with(parent)
    output.run(_worker(concurrency, as_json), as_json)


async def _worker(concurrency: int | None, as_json: bool) -> int:
    from agora import team
    from agora.app import jobs, runs

    tally = jobs.Tally()
    async with runs.opened() as running:
        at_once = concurrency or team.current().settings.worker.concurrency
        output.note(f"working, {at_once} jobs at once; Ctrl-C to stop")
        working = asyncio.create_task(jobs.work(running, at_once, tally))
        with suppress(asyncio.CancelledError):
            await _until_told(working)
    if as_json:
        output.show_json({"done": tally.done, "failed": tally.failed})
    else:
        output.show(f"stopped; {tally.done} jobs done, {tally.failed} failed")
    return 0


async def _until_told(working: asyncio.Task[None]) -> None:
    """Wait for the work, which a first signal cancels and a second one kills."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(one)
        output.note("stopping; what runs may end")
        working.cancel()

    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop)
    await working
