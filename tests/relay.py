"""A relay that kills itself before or after it has added events, as the variable KILL says."""

import asyncio
import os
import signal
from typing import Any

from agora import team
from agora.team.relaying import Relaying
from memory.redis_streams import RedisStreams

_add = RedisStreams.add


async def add(self: RedisStreams, *given: Any) -> None:
    if os.environ["KILL"] == "after":
        await _add(self, *given)
    os.kill(os.getpid(), signal.SIGKILL)


async def relay() -> None:
    async with team.opened() as current:
        assert isinstance(current.stream.delivery, RedisStreams)
        await Relaying(current.stream, current.stream.delivery).run()


RedisStreams.add = add  # type: ignore[method-assign, assignment]
asyncio.run(relay())
