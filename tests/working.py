"""A worker with slow jobs of the tests' own: `python -m tests.working`, set by the environment."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from agora.app import jobs, runs


async def linger(running: runs.Runs, folder: str, seconds: float) -> None:
    """Leave a file when begun, and another one when done."""
    begun = len(list(Path(folder).glob("begun-*")))
    Path(folder, f"begun-{begun}").touch()
    await asyncio.sleep(0 if begun else seconds)
    Path(folder, "done").touch()


async def fail(running: runs.Runs) -> None:
    raise ValueError("of no use")


jobs.job("linger", linger)
jobs.job("fail", fail)


async def work() -> None:
    async with runs.opened() as running:
        await jobs.work(running, 2, jobs.Tally())


async def until(happened: Any, seconds: float = 120) -> None:
    """Wait for what a background job brings about."""
    async with asyncio.timeout(seconds):
        while not happened():
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    sys.modules["tests.working"] = sys.modules["__main__"]
    asyncio.run(work())
