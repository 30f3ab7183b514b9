"""A process that forks runs and kills them: one JSON order a line, answered by status and seconds.

With `kill_at` a run kills itself at the Nth step: anything that another process could find half
done, a transaction, a checkpoint, a git command that writes. With `after_s` its whole process
group is killed, git included, so many seconds after a person's yes.
"""

import asyncio
import json
import os
import select
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command

import agora.team
from agora.domain import git
from agora.domain.contracts import Change
from agora.domain.settings import Settings, load
from memory.database import Database
from nodes.approval import approval
from nodes.deploying import deploying
from nodes.stage import stage
from nodes.states import ImprovementState

steps: list[str] = []
kill_at = 0
_connection, _write = Database._connection, git.write


@stage
async def proposing(state: ImprovementState) -> ImprovementState:
    """Propose the change that the order gives; `testing` finds nothing to say against it."""
    change = Change.model_validate(state["task"]["change"])
    await agora.team.current().changing.propose(change, None, {})
    return {"change_id": change.id}


@stage
async def testing(state: ImprovementState) -> ImprovementState:
    return {"tried": 1}


graph = (
    StateGraph(ImprovementState)
    .add_node("proposing", proposing)
    .add_node("testing", testing)
    .add_node("approval", approval)
    .add_node("deploying", deploying)
    .add_edge(START, "proposing")
    .add_edge("proposing", "testing")
    .add_edge("testing", "approval")
)


def step(name: str) -> None:
    steps.append(name)
    if len(steps) == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)


@asynccontextmanager
async def connection(self: Database, autocommit: bool) -> AsyncIterator[Any]:
    step("before a transaction")
    async with _connection(self, autocommit) as lent:
        yield lent
        step("before a commit")
    step("after a commit")


def write(folder: Any, *arguments: str, **options: Any) -> str:
    step(f"before git {arguments[0]}")
    printed = _write(folder, *arguments, **options)
    step(f"after git {arguments[0]}")
    return printed


class Saver(AsyncPostgresSaver):
    async def aput(self, *arguments: Any) -> RunnableConfig:
        step("before a checkpoint")
        config = await super().aput(*arguments)
        step("after a checkpoint")
        return config

    async def aput_writes(self, *arguments: Any) -> None:
        step("before its writes")
        await super().aput_writes(*arguments)
        step("after its writes")


def settings_of(order: dict[str, Any]) -> Settings:
    return load({}, **{"database.url": order["url"], "home": Path(order["home"])})


async def run(order: dict[str, Any], approved: int) -> None:
    team = agora.team.assemble(settings_of(order))
    agora.team.current = lambda: team
    config: RunnableConfig = {"configurable": {"thread_id": order["thread"]}}
    lease = timedelta(seconds=team.settings.stage.lease_s)
    await team.holding.announce(order["thread"], "proposing", order["state"], lease)
    async with Saver.from_conn_string(order["url"]) as saver:
        app: Any = graph.compile(checkpointer=saver)
        await app.ainvoke(order["state"], config, durability="sync")
        await team.changing.say(order["state"]["task"]["change"]["id"], {"type": "approve"})
        os.write(approved, b"!")
        yes: Command[str] = Command(resume={"decisions": [{"type": "approve"}]})
        await app.ainvoke(yes, config, durability="sync")


def start(order: dict[str, Any]) -> tuple[int, int]:
    """Fork a run; return its pid, and a pipe with a byte at the yes and the end at its end."""
    global kill_at
    reading, approved = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        kill_at = order.get("kill_at", 0)
        asyncio.run(run(order, approved))
        os._exit(0)
    os.close(approved)
    return child, reading


def end(child: int, reading: int, after_s: float) -> tuple[int, float]:
    """Kill the run's group in so many seconds; return how it ended, and its time since the yes."""
    os.read(reading, 1)
    began = time.monotonic()
    select.select([reading], [], [], after_s)
    seconds = time.monotonic() - began
    os.killpg(child, signal.SIGKILL)
    os.close(reading)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), seconds


def main() -> None:
    Database._connection = connection  # type: ignore[method-assign]
    git.write = write
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(end(*start(order), order.get("after_s", 60))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
