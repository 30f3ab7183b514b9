"""What a server leaves that dies before a run's first stage, or while it tells of its end."""

from contextlib import suppress
from datetime import timedelta

from agora import team
from agora.app.runs import FIRST, Runs
from agora.app.takeover import free, goes_on, settle
from agora.domain.contracts import Json
from agora.domain.errors import ClaimHeldError
from memory import served
from memory.database import Row


async def announce_lost(runs: Runs) -> None:
    """Announce each run that no stage has claimed, so that a takeover finds it.

    Of runs that have ended, and of threads that only seem to be busy, tell how they stand.
    """
    lease = timedelta(seconds=team.current().settings.stage.lease_s)
    async with team.current().database.transaction() as connection:
        lost = await served.lost(connection, lease)
        busy = await served.left_busy(connection, lease)
    for run in lost:
        if run["graph_id"] in runs.graphs:
            await _announce(runs, run)
    for thread in busy:
        if graph := runs.graphs.get(thread["graph_id"]):
            await free(graph, thread["thread_id"])


async def _announce(runs: Runs, run: Row) -> None:
    graph, thread_id = runs.graphs[run["graph_id"]], run["thread_id"]
    state = await graph.aget_state({"configurable": {"thread_id": thread_id}})
    is_new = not run["has_begun"] and bool(run["input"])
    if not is_new and not goes_on(state):
        # An answer that nobody has heard leaves its thread waiting: it may be given again.
        await settle(graph, thread_id)
        return
    given = named(run["input"], run["run_id"]) if is_new else None
    with suppress(ClaimHeldError):
        now = timedelta()
        await team.current().holding.announce(thread_id, FIRST[run["graph_id"]], given, now)


def named(given: Json, run_id: str) -> Json:
    """Return the input with an id that comes from its run: begun again, it is the same task."""
    told = dict(given)
    if isinstance(told.get("task"), dict):
        told["task"] = {"id": run_id} | told["task"]
    if messages := told.get("messages"):
        told["messages"] = [*messages[:-1], _message(messages[-1], run_id)]
    return told


def _message(last: object, run_id: str) -> object:
    return {"id": run_id} | last if isinstance(last, dict) else last
