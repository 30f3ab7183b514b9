"""Runs a graph and kills its own process at the n-th call of one method.

Started as `python -m tests.killed ORDER`; the order is JSON: `graph` (task or war_room), `at`
(module, class, method), `nth`, `thread`, `stage` (the first one), `given`, `settings`.
"""

import asyncio
import json
import os
import signal
import sys
from datetime import timedelta
from importlib import import_module
from itertools import count
from typing import Any

import agora.team
from agora.domain.settings import load
from memory.checkpoints import open_saver
from tests.reading import ROOT
from tests.running import Staff


def kill_at(module: str, owner: str, method: str, nth: int) -> None:
    """Let the n-th call of a method be the end of this process."""
    kind, calls = getattr(import_module(module), owner), count(1)
    real = getattr(kind, method)

    async def killed(*given: Any, **named: Any) -> Any:
        if next(calls) == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return await real(*given, **named)

    setattr(kind, method, killed)


async def run(order: dict[str, Any]) -> None:
    """Announce the run as a server would, and begin it."""
    team = agora.team.assemble(load({}, **order["settings"]))
    agora.team.current = lambda: team
    graph = import_module(f"graphs.{order['graph']}").graph
    module, owner, method = order["at"]
    kill_at(module, owner, method, order["nth"])
    thread, given = order["thread"], order["given"]
    await team.holding.announce(thread, order["stage"], given, timedelta(seconds=30))
    async with open_saver(order["settings"]["database.url"]) as saver:
        compiled = graph.compile(checkpointer=saver)
        config = {"configurable": {"thread_id": thread}}
        await compiled.ainvoke(given, config, durability="sync")


async def start(staff: Staff, models: list[str], **order: Any) -> int | None:
    """Run an order in a process of its own with the staff's database and server; its status."""
    url = staff.team.settings.database.url
    assert url
    settings = {"database.url": url.get_secret_value(), "home": str(staff.team.settings.folder)}
    known = {"ollama.host": staff.server.url, "ollama.models": models}
    told = json.dumps(order | {"settings": settings | known})
    command = [sys.executable, "-m", "tests.killed", told]
    child = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    return await child.wait()


if __name__ == "__main__":
    asyncio.run(run(json.loads(sys.argv[1])))
