"""A process that forks runs which are killed, at the Nth step or after a while: one order a line.

A step is anything that another process could find half done: a transaction, a checkpoint, a git
command that writes; at a step the run kills itself. `after_s` counts from the entry into deploying;
then the whole group is killed from outside, git included.
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
entered, seen = os.pipe()  # a byte when a run enters deploying, the end when it is over
_transaction, _write = Database.transaction, git.write
_deploying = deploying


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
async def transaction(self: Database) -> AsyncIterator[Any]:
    step("before a transaction")
    async with _transaction(self) as connection:
        yield connection
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


async def run(order: dict[str, Any]) -> None:
    team = agora.team.assemble(settings_of(order))
    agora.team.current = lambda: team
    config: RunnableConfig = {"configurable": {"thread_id": order["thread"]}}
    lease = timedelta(seconds=team.settings.stage.lease_s)
    await team.holding.announce(order["thread"], "proposing", order["state"], lease)
    async with Saver.from_conn_string(order["url"]) as saver:
        app: Any = graph.compile(checkpointer=saver)
        await app.ainvoke(order["state"], config, durability="sync")
        await team.changing.say(order["state"]["task"]["change"]["id"], {"type": "approve"})
        yes: Command[str] = Command(resume={"decisions": [{"type": "approve"}]})
        await app.ainvoke(yes, config, durability="sync")


def main() -> None:
    global kill_at
    Database.transaction = transaction  # type: ignore[method-assign]
    git.write = write
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            kill_at = order["kill_at"]
            asyncio.run(run(order))
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(status, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
