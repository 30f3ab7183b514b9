"""A team with models behind it, and runs of its graphs; a `conftest.py` imports `hire`."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig

import agora.team
from agora.domain.contracts import Json
from agora.domain.settings import Settings, load
from agora.team import Team, assemble
from graphs.task import graph as task_graph
from graphs.war_room import graph as room_graph
from tests.conftest import ask
from tests.model_answers import Script
from tests.model_server import ModelServer

CLOUD = "gpt-4o-mini"
PRICES = {CLOUD: (0.15, 0.6)}


def thread(name: str) -> RunnableConfig:
    return {"configurable": {"thread_id": name}}


def plainly(messages: Sequence[Any]) -> str:
    """Say the same to everything, so that all members of a war room agree."""
    return "forty-two"


def refusing(messages: Sequence[Any]) -> str:
    """Answer in a way that does not count: the expert was heard, and has failed."""
    return "I'm sorry, but I can't help with that."


def task_in(messages: Sequence[Any]) -> str:
    """Return the task that a prompt is about, without what stands around it."""
    return next(
        found[1]
        for message in messages
        if (found := re.search(r"<task>\n(.*)\n</task>", str(message["content"]), re.DOTALL))
    )


@dataclass(frozen=True)
class Staff:
    """A team, the server of its models, and its graphs."""

    team: Team
    server: ModelServer
    task: Any
    room: Any

    @property
    def prompts(self) -> list[str]:
        """Return what models were asked, in order."""
        return [exchange.prompt for exchange in self.server.exchanges]

    async def ask(self, text: str, on: str = "one", **fields: Any) -> Json:
        """Run a task on a thread and return its outcome."""
        done = await self.task.ainvoke(
            {"task": {"text": text, **fields}}, thread(on), durability="sync"
        )
        return dict(done["outcome"])

    async def say(self, text: str, on: str = "one") -> Json:
        """Add a turn to a conversation and return what the graph gives."""
        turn = {"messages": [{"role": "user", "content": text}]}
        return dict(await self.task.ainvoke(turn, thread(on), durability="sync"))

    async def meet(self, text: str, on: str = "room", **fields: Any) -> Json:
        """Hold a war room that stands alone and return its state."""
        asked = {"task": {"text": text, **fields}}
        return dict(await self.room.ainvoke(asked, thread(on), durability="sync"))

    async def state(self, on: str = "one") -> Json:
        """Return the state of a thread's task."""
        return dict((await self.task.aget_state(thread(on))).values)

    async def events(self, kind: str) -> list[Json]:
        """Return the events of a kind, in order, each with its correlation id."""
        query = "SELECT correlation_id, body FROM events WHERE kind = %s ORDER BY id"
        rows = await ask(self.team, query, kind)
        return [row["body"] | {"correlation_id": row["correlation_id"]} for row in rows]

    async def entered(self) -> list[str]:
        """Return the stages that runs have entered, in order."""
        return [event["stage"] for event in await self.events("stage.entered")]


Hire = Callable[..., Staff]


@pytest.fixture
async def hire(
    settings: Settings, saver: Any, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Hire]:
    """Make a team with models: local ones of these names, and one in the cloud if asked for."""
    async with AsyncExitStack() as stack:

        def hire(
            script: Script = plainly,
            *,
            local: Sequence[str] = ("qwen3:8b",),
            cloud: bool = False,
            **arguments: Any,
        ) -> Staff:
            names = (*local, CLOUD) if cloud else local
            server = stack.enter_context(ModelServer(script, models=names, prices=PRICES))
            named = _servers(server, local, cloud) | arguments
            stated: dict[str, Any] = {"database.url": settings.database.url, "home": settings.home}
            stated |= {"memory.pulse_s": 0}
            team = assemble(load({}, **stated | named))
            stack.push_async_callback(team.close)
            monkeypatch.setattr(agora.team, "current", lambda: team)
            compiled = [graph.compile(checkpointer=saver) for graph in (task_graph, room_graph)]
            return Staff(team, server, *compiled)

        yield hire


def _servers(server: ModelServer, local: Sequence[str], cloud: bool) -> Json:
    named: Json = {"ollama.host": server.url, "ollama.models": local} if local else {}
    if cloud:
        named |= {"openai.base_url": server.openai_url, "openai.models": (CLOUD,)}
        named |= {"openai.api_key": "sk-test"}
    return named
