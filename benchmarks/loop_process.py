"""One of the processes of loop.py: a loop of its own, whose clock is moved from outside.

A line in, the time that it is now; a line out, what its cycle did and how much memory it holds.
"""

import asyncio
import gc
import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

sys.path.insert(0, str(Path(__file__).parents[1]))

import agora.team  # noqa: E402
from agora.app import runs  # noqa: E402
from agora.app.loops import cycle  # noqa: E402
from agora.domain.contracts import Improvement  # noqa: E402
from agora.domain.settings import load  # noqa: E402

STATM = Path("/proc/self/statm")


class Hands:
    """A clock that is set."""

    now = datetime.min

    def __call__(self) -> datetime:
        """Return the time that it was set to."""
        return self.now


async def serve(order: dict[str, Any]) -> None:
    """Do a cycle for each time that is read, until there is no more."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    clock = Hands()
    settings = load({}, **order["settings"] | {"home": Path(order["home"])})
    team = agora.team.assemble(settings, clock)
    agora.team.current = lambda: team
    async with runs.opened() as running:
        row = None
        while line := await asyncio.to_thread(sys.stdin.readline):
            clock.now = datetime.fromisoformat(line.strip())
            if row is None:
                wanted = Improvement(workspace=order["workspace"], timeout_s=order["timeout_s"])
                row = await team.looping.start(wanted, name=order["name"])
            told = await cycle(running, row["id"]) or {}
            gc.collect()
            rss = int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            print(json.dumps({"told": told, "rss": rss}, default=str), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
