"""An upkeep in small batches that kills itself a moment after some of them: `BATCHES AFTER_S`."""

import asyncio
import os
import signal
import sys
from itertools import count
from threading import Timer

from agora.app import runs
from agora.app.upkeep import tidy
from memory import upkeep

upkeep.REMOVE = upkeep.REMOVE.replace(f"LIMIT {upkeep.BATCH}", "LIMIT 40")


async def tidy_up(batches: int, after_s: float) -> None:
    told = count(1)

    def tell(said: str) -> None:
        if next(told) == batches:
            Timer(after_s, os.kill, (os.getpid(), signal.SIGKILL)).start()

    async with runs.opened() as running:
        await tidy(running, tell)


asyncio.run(tidy_up(int(sys.argv[1]), float(sys.argv[2])))
