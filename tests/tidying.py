"""An upkeep in small batches that says when it begins, so that it can be killed in the middle."""

import asyncio
import sys

from agora.app import runs
from agora.app.upkeep import tidy
from memory import upkeep

upkeep.REMOVE = upkeep.REMOVE.replace(f"LIMIT {upkeep.BATCH}", "LIMIT 40")


async def tidy_up() -> None:
    async with runs.opened() as running:
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        await tidy(running, lambda said: None)


asyncio.run(tidy_up())
