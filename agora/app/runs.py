"""Runs: starting a graph on a thread, following it, and going on with it later."""

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from agora import team
from agora.app.takeover import has_failed, is_waiting, resumption, take_over
from agora.domain.contracts import Json
from agora.domain.errors import ClaimHeldError, UsageError
from agora.domain.redaction import redact
from graphs.improvement import graph as improvement
from graphs.task import graph as task
from graphs.war_room import graph as war_room
from memory import tasks
from memory.checkpoints import open_saver

GRAPHS: dict[str, Any] = {"task": task, "improvement": improvement, "war_room": war_room}
FIRST = {"task": "intake", "improvement": "detecting", "war_room": "seats"}
STEPS = 100
"""Stages that a run may enter: every loop has a smaller bound of its own."""

Hear = Callable[[Json], None]


@dataclass(frozen=True)
class Runs:
    """Compiled graphs on the checkpoints of this installation."""

    graphs: dict[str, Any]

    async def start(self, graph: str, given: Json, thread_id: str, hear: Hear) -> Json:
        """Run a task or an improvement from its beginning; return the last state.

        `hear` gets what nodes tell, and the name of each stage that is done.
        """
        given = redact(
            given, team.current().settings.secrets
        )  # before the checkpoint of the input is written
        state = await self.graphs[graph].aget_state(_config(thread_id))
        if state.tasks and not has_failed(state):
            # A new input would make the old one disappear, and with it an accepted task.
            hint = f"agora resume {thread_id}, or use another thread"
            raise ClaimHeldError(f"thread {thread_id} has a run that is not finished", hint)
        lease = timedelta(seconds=team.current().settings.stage.lease_s)
        await team.current().holding.announce(thread_id, FIRST[graph], given, lease)
        return await self._follow(graph, given, thread_id, hear)

    async def answer(self, graph: str, decision: Json, thread_id: str, hear: Hear) -> Json:
        """Go on with a thread that waits for this decision, or that has failed after it."""
        state = await self.graphs[graph].aget_state(_config(thread_id))
        if is_waiting(state):
            resumed: Any = Command(resume=resumption(state, decision))
            return await self._follow(graph, resumed, thread_id, hear)
        if state.tasks:
            return await self._follow(graph, None, thread_id, hear)
        return dict(state.values)

    async def go_on_with(self, thread_id: str, decision: Json, hear: Hear) -> Json:
        """Go on with a thread that waits for this decision, whatever graph it belongs to."""
        return await self.answer(await self._named(thread_id), decision, thread_id, hear)

    async def go_on(self, thread_id: str | None) -> list[Json]:
        """Take over what was interrupted or abandoned; return each thread with its status."""
        if thread_id is not None and not await self.is_known(thread_id):
            raise UsageError(f"there is no thread {thread_id}", "agora approvals list, agora stats")
        continued = await take_over(self.graphs, thread_id, is_asked_for=True)
        threads = continued or ([thread_id] if thread_id else [])
        return [{"thread_id": one} | await self.status(one) for one in threads]

    async def state(self, graph: str, thread_id: str) -> Any:
        """Return the newest checkpoint of a thread, as LangGraph's StateSnapshot."""
        return await self.graphs[graph].aget_state(_config(thread_id))

    async def is_known(self, thread_id: str) -> bool:
        """Return whether there is any checkpoint of a thread, or a run announced on it."""
        state = await self.graphs["task"].aget_state(_config(thread_id))
        return state.created_at is not None or bool(await team.current().holding.stage(thread_id))

    async def thread_of(self, task_id: str) -> str | None:
        """Return the thread that a task was accepted on; None for a task that nobody knows."""
        async with team.current().database.transaction() as connection:
            known = await tasks.find(connection, task_id)
        return str(known["thread_id"]) if known else None

    async def task_state(self, task_id: str) -> Json | None:
        """Return the last state of a task on its thread; None for one that nobody knows."""
        async for state in self.task_states(task_id):
            return state
        return None

    async def task_states(self, task_id: str) -> AsyncIterator[Json]:
        """Yield the states of a task that are kept, newest first."""
        thread_id = await self.thread_of(task_id)
        if thread_id is None:
            return
        async for state in self.graphs["task"].aget_state_history(_config(thread_id)):
            if (state.values.get("task") or {}).get("id") == task_id:
                yield dict(state.values)

    async def status(self, thread_id: str) -> Json:
        """Return what a thread has come to: done, waiting, failed or running."""
        state = await self.graphs[await self._named(thread_id)].aget_state(_config(thread_id))
        values = state.values
        told = {
            "outcome": values.get("outcome"),
            "message": values.get("message"),
            "change_id": values.get("change_id"),
        }
        error = next((str(one.error) for one in state.tasks if one.error), None)
        return {"status": _status(state), "error": error} | {k: v for k, v in told.items() if v}

    async def _named(self, thread_id: str) -> str:
        """Return which graph a thread belongs to, by its stage or by what its state holds."""
        stage = await team.current().holding.stage(thread_id)
        for name, graph in self.graphs.items():
            if stage in graph.nodes:
                return name
        state = await self.graphs["improvement"].aget_state(_config(thread_id))
        return "improvement" if "opportunity" in state.values else "task"

    async def _follow(self, graph: str, given: Any, thread_id: str, hear: Hear) -> Json:
        compiled, config = self.graphs[graph], _config(thread_id)
        streamed = compiled.astream(
            given, config, durability="sync", stream_mode=["custom", "updates"], subgraphs=True
        )
        async for _, mode, piece in streamed:
            if mode == "custom":
                hear(piece)
            elif isinstance(piece, dict):
                for stage in piece.keys() & compiled.nodes.keys():  # an interrupt is no stage
                    hear({"kind": "stage", "stage": stage})
        return dict((await compiled.aget_state(config)).values)


def _status(state: Any) -> str:
    if not state.tasks:
        return "done"
    if is_waiting(state):
        return "waiting"
    return "failed" if has_failed(state) else "running"


def _config(thread_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id}, "recursion_limit": STEPS}


def fresh_thread(kind: str) -> str:
    """Return the id of a thread that nobody has used."""
    return f"{kind}-{uuid.uuid4().hex[:12]}"


@asynccontextmanager
async def opened() -> AsyncIterator[Runs]:
    """Yield the runs of this installation; the team's connections end with it."""
    async with team.opened() as current:
        async with open_saver(await current.database.url()) as saver:
            yield Runs({name: one.compile(checkpointer=saver) for name, one in GRAPHS.items()})
