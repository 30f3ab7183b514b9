"""Finishing what killed runs have left; the checkpoint says what is left, not the claim."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import structlog
from langchain_core.runnables import RunnableConfig
from langgraph.types import Command, StateSnapshot

from agora import team
from agora.domain.contracts import Json
from agora.domain.errors import ClaimHeldError, ClaimLostError
from agora.team.escalating import PERMIT
from memory import claims, served
from memory.database import Row, Rows

log = structlog.get_logger(__name__)
OF_THE_DATABASE = (
    "OperationalError",
    "AdminShutdown",
    "DatabaseError",
    "DiskFull",
    "PoolTimeout",
    "DatabaseBusyError",
    "CannotConnectNow",
    "DeadlockDetected",
    "SerializationFailure",
)
"""Errors that say nothing of the run itself."""
Graph = Any  # a CompiledStateGraph, whatever its state is


def is_waiting(state: StateSnapshot) -> bool:
    """Return whether nothing is left to do but to wait for a person."""
    waits = any(task.interrupts for task in state.tasks)
    return waits and all(task.interrupts or task.result is not None for task in state.tasks)


def has_failed(state: StateSnapshot) -> bool:
    """Return whether a stage has raised: whoever resumes the thread tries it again.

    Having to give way to another run is no failure of the thread.
    """
    return any(task.error and not _gave_way(task.error) for task in state.tasks)


def goes_on(state: StateSnapshot) -> bool:
    """Return whether something is left to do for which nobody has to be asked."""
    return bool(state.tasks) and not has_failed(state) and not is_waiting(state)


def _gave_way(error: object) -> bool:
    return str(error).startswith(("ClaimLostError(", "ClaimHeldError("))


def resumption(state: StateSnapshot, decision: Json) -> Any:
    """Return what a waiting thread is resumed with; of several questions it answers its own."""
    answer: Json = {"decisions": [decision]}
    asked = [one for task in state.tasks for one in task.interrupts]
    if len(asked) < 2:
        return answer
    own = [one.id for one in asked if _asked_about(one.value) == decision.get("id")]
    return dict.fromkeys(own, answer)


def _asked_about(request: Any) -> str | None:
    """Return the id of what a person was asked to permit; None where it is something else."""
    actions = request.get("action_requests") if isinstance(request, dict) else None
    first = actions[0] if isinstance(actions, list) and actions else {}
    return first["args"]["id"] if first.get("name") == PERMIT else None


async def abandoned(graphs: Mapping[str, Graph]) -> list[str]:
    """Return each thread of these graphs whose holder has died."""
    async with team.current().database.transaction() as connection:
        left = await claims.abandoned(connection)
    return [row["thread_id"] for row in left if row["stage"] in _stages(graphs)]


async def unfinished(graphs: Mapping[str, Graph]) -> AsyncIterator[str]:
    """Yield each thread whose holder has died with work left; let go of the claims of others."""
    async with team.current().database.transaction() as connection:
        left = await claims.abandoned(connection)
    stages = _stages(graphs)
    for row in left:
        if graph := stages.get(row["stage"]):
            state = await _ended(graph, row)
            if state is None:
                yield row["thread_id"]
            else:
                await _end(graph, row, state)


async def _ended(graph: Graph, row: Row) -> StateSnapshot | None:
    """Return the state of a thread that needs nobody; None where something is left to do."""
    if row["input"] is not None:
        return None  # announced, and not begun: its state would say nothing of it
    config: RunnableConfig = {"configurable": {"thread_id": row["thread_id"]}}
    state: StateSnapshot = await graph.aget_state(config)
    return state if await _start(state, False) is ENDED else None


async def failed_by_database(graphs: Mapping[str, Graph]) -> list[str]:
    """Return each thread whose last stage died of a database that was away, cut or full."""
    async with team.current().database.transaction() as connection:
        left = await claims.abandoned(connection, with_open=True)
    stages, found = _stages(graphs), []
    for row in left:
        if row["stage"] in stages:
            config: RunnableConfig = {"configurable": {"thread_id": row["thread_id"]}}
            state = await stages[row["stage"]].aget_state(config)
            said = " ".join(str(task.error) for task in state.tasks if task.error)
            if any(name in said for name in OF_THE_DATABASE):
                found.append(row["thread_id"])
    return found


async def ended(graphs: Mapping[str, Graph]) -> list[Row]:
    """Return each claim that was left, and whose thread needs nobody."""
    async with team.current().database.transaction() as connection:
        left = await claims.abandoned(connection)
    stages = _stages(graphs)
    return [
        row
        for row in left
        if row["stage"] in stages and await _ended(stages[row["stage"]], row) is not None
    ]


async def forget(rows: list[Row]) -> int:
    """Drop claims, unless somebody has just taken them; return how many."""
    async with team.current().database.transaction() as connection:
        for row in sorted(rows, key=lambda row: str(row["thread_id"])):
            await claims.forget(connection, row["thread_id"], row["token"])
    return len(rows)


def _stages(graphs: Mapping[str, Graph]) -> dict[str, Graph]:
    return {stage: graph for graph in graphs.values() for stage in graph.nodes}


async def take_over(
    graphs: Mapping[str, Graph], thread_id: str | None = None, *, is_asked_for: bool = False
) -> list[str]:
    """Continue every thread whose holder has died, and return their ids.

    Where a person has asked for it, also those that were interrupted or have failed; with a
    `thread_id` only that one, and that after its lease if it shows no sign of life.
    """
    async with team.current().database.transaction() as connection:
        left = await claims.abandoned(connection, thread_id, with_open=is_asked_for)
        if thread_id and is_asked_for and not left:
            left = await _held(connection, thread_id)
    stages = _stages(graphs)
    return [
        row["thread_id"]
        for row in left
        if row["stage"] in stages and await _continue(stages[row["stage"]], row, is_asked_for)
    ]


async def _held(connection: Rows, thread_id: str) -> list[Row]:
    """Return the claim that goes on: killed between two stages, a run has not given it back."""
    row = await claims.find(connection, thread_id)
    return [row | {"thread_id": thread_id, "input": None}] if row else []


async def _continue(graph: Graph, row: Row, is_asked_for: bool) -> bool:
    config: RunnableConfig = {"configurable": {"thread_id": row["thread_id"]}}
    start = row["input"]  # announced, and not begun
    if start is None:
        state = await graph.aget_state(config)
        start = await _start(state, is_asked_for)
        if start is ENDED or (not is_asked_for and await _is_cancelled(row, state)):
            await _end(graph, row, state)
            return False
    try:
        await graph.ainvoke(start, config, durability="sync")
    except (ClaimHeldError, ClaimLostError):
        return False  # another worker was quicker, or will be
    except Exception as error:
        # Whatever one run dies of, the next must be continued; its checkpoint has the error.
        log.warning("taken over, and failed", thread=row["thread_id"], error=str(error))
    await _let_go(graph, row["thread_id"])
    return True


async def _end(graph: Graph, row: Row, state: StateSnapshot) -> None:
    async with team.current().database.transaction() as connection:
        await _settle(connection, graph, row["thread_id"], state)
        await claims.forget(connection, row["thread_id"], row["token"])


async def _let_go(graph: Graph, thread_id: str) -> None:
    """Tell how a run has ended, and drop its claim if nothing is left to do."""
    async with team.current().database.autocommit() as connection:
        held = await claims.find(connection, thread_id)  # first: a newer run has a newer token
    state = await graph.aget_state({"configurable": {"thread_id": thread_id}})
    async with team.current().database.transaction() as connection:
        await _settle(connection, graph, thread_id, state)
        if held and not state.tasks:
            await claims.forget(connection, thread_id, held["token"])


async def settle(graph: Graph, thread_id: str) -> None:
    """Tell whoever asked for a run over the LangGraph protocol how it has ended."""
    state = await graph.aget_state({"configurable": {"thread_id": thread_id}})
    async with team.current().database.transaction() as connection:
        await _settle(connection, graph, thread_id, state)


async def free(graph: Graph, thread_id: str) -> None:
    """Tell how it stands with a thread that is said to be busy, and is not."""
    _, thread = _told(await graph.aget_state({"configurable": {"thread_id": thread_id}}))
    async with team.current().database.transaction() as connection:
        await served.free(connection, thread_id, thread)


async def _settle(connection: Rows, graph: Graph, thread_id: str, state: StateSnapshot) -> None:
    run, thread = _told(state)
    error = next((str(task.error) for task in state.tasks if task.error), None)
    plain = json.loads(json.dumps(output_of(graph, state), default=_as_json))
    lease = timedelta(seconds=team.current().settings.stage.lease_s)
    await served.settle(connection, thread_id, run, thread, plain, error, lease)


def output_of(graph: Graph, state: StateSnapshot) -> Json:
    """Return what a caller gets of a run that goes no further: its output, or what it asks."""
    if is_waiting(state):
        return {"__interrupt__": [{"value": one.value, "id": one.id} for one in state.interrupts]}
    return {name: state.values[name] for name in graph.output_channels if name in state.values}


def _told(state: StateSnapshot) -> tuple[str, str]:
    """Return in Aegra's words what a run, and its thread, have come to."""
    if has_failed(state):
        return "error", "error"
    return ("interrupted", "interrupted") if is_waiting(state) else ("success", "idle")


def _as_json(value: Any) -> Any:
    return value.model_dump() if hasattr(value, "model_dump") else str(value)


async def _is_cancelled(row: Row, state: StateSnapshot) -> bool:
    """Return whether whoever asked for the run has taken that back, and nothing waits for him."""
    if is_waiting(state):
        return False
    async with team.current().database.transaction() as connection:
        return await served.last_status(connection, row["thread_id"]) == "interrupted"


ENDED = object()


async def _start(state: StateSnapshot, is_asked_for: bool) -> Any:
    """Return what to invoke the graph with that has begun, or ENDED: the thread needs nobody."""
    # Not `state.next`: it is empty too when a step's writes are kept and its checkpoint is not.
    if state.created_at is None or not state.tasks:
        return ENDED
    if has_failed(state):
        return None if is_asked_for else ENDED
    if is_waiting(state):
        decision = await _said(state)
        return Command(resume=decision) if decision else ENDED
    return None


async def _said(state: StateSnapshot) -> Any:
    """Return what a person has answered already, should the resumed run have died at once."""
    for one in (asked for task in state.tasks for asked in task.interrupts):
        if about := _asked_about(one.value):
            said = await team.current().acting.escalation(about)
            if said and said["type"]:
                return resumption(state, {"type": said["type"], "by": said["by"], "id": about})
    change_id = state.values.get("change_id")
    said = await team.current().changing.answered(change_id) if change_id else None
    return {"decisions": [{"type": said["type"]}]} if said else None
