"""The improvement loop: detect, repair, test, ask, deploy, watch, revert, tell; for ever.

A cycle may be killed at any instant: its runs are taken over by the next one, and whatever it
would have counted or told is read from what the runs have left behind.
"""

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from agora import team
from agora.app.runs import Runs, fresh_thread, opened
from agora.app.takeover import abandoned, has_failed, take_over
from agora.domain import commits
from agora.domain.contracts import Improvement, Json
from agora.domain.errors import AgoraError, ClaimHeldError, OverdueTestsError
from agora.domain.loops import REPAIRABLE
from agora.team.changing import EXPIRY
from agora.team.looping import threads_of
from memory.database import Row, heed_cancellation

log = structlog.get_logger(__name__)
RUNS = 25
"""Opportunities that one cycle takes up, at the most."""
POLL_S = 1.0
"""How often a waiting loop looks whether a cycle is due."""


async def cycle(runs: Runs, loop_id: str, *, asked: bool = False) -> Json | None:
    """Do one cycle of a loop and return what it did; None: it is not due, or somebody else's."""
    looping = team.current().looping
    row = await looping.begin(loop_id, asked=asked)
    if row is None:
        return None
    began = time.monotonic()
    told: Json = {"continued": await _go_on(runs, row), "expired": await _expire(runs, row)}
    told |= {"detected": await looping.detect(row)}
    if await looping.begin_maintenance(row):
        told |= {"maintenance": await maintain(row)}
    try:
        told |= await _repair(runs, row)
    except AgoraError as error:
        # Such as a workspace in the middle of a merge: it is looked at again in the next cycle.
        told |= {"runs": [], "trouble": str(error)}
        await team.current().alerting.alert("loop", row["workspace"], f"no repair: {error}")
    told |= {"reported": await looping.report(row)}
    await team.current().alerting.deliver()
    await looping.end(row, time.monotonic() - began)
    return told


async def maintain(row: Row) -> Json:
    """Do a loop's maintenance now, and count what it has found."""
    current = team.current()
    trusts = bool(row["task"].get("trust_workspace"))
    try:
        told = await current.maintaining.maintain(row["workspace"], trust_workspace=trusts)
    except AgoraError as error:
        await current.alerting.alert("loop", row["workspace"], f"no maintenance: {error}")
        return {"trouble": str(error)}
    await current.looping.add(row, told["found"], told["same"] + len(told["added"]))
    return told


async def _go_on(runs: Runs, row: Row) -> int:
    """Take over what killed cycles have left, and try again what has failed; return how many."""
    prefix, looping, continued = threads_of(row["id"]), team.current().looping, 0
    for thread_id in await abandoned(runs.graphs):
        if thread_id.startswith(prefix):
            continued += bool(await take_over(runs.graphs, thread_id))
    for taken in await looping.under_way(row):
        state = await runs.state("improvement", taken["claimed_by"])
        if has_failed(state):
            error = next(str(one.error) for one in state.tasks if one.error)
            await looping.failed(taken, error)
            continued += bool(await take_over(runs.graphs, taken["claimed_by"], is_asked_for=True))
    return continued


async def _expire(runs: Runs, row: Row) -> int:
    """Reject what nobody has answered in time; return how many changes that were."""
    current = team.current()
    after = timedelta(hours=current.settings.repair.approval_h)
    late = await current.changing.late(current.clock(), after)
    mine = [one for one in late if one["workspace"] == row["workspace"]]
    for one in mine:
        why = f"nobody has answered within {current.settings.repair.approval_h:g} hours"
        decision = {"type": "reject", "by": EXPIRY, "message": why, "digest": one["digest"]}
        await current.changing.hear(one["id"], decision)
        await runs.answer("improvement", decision, one["thread_id"], lambda piece: None)
        await current.alerting.alert("expired", one["id"], f"{one['title']}: {why}")
    return len(mine)


async def _repair(runs: Runs, row: Row) -> Json:
    """Begin a run for each opportunity that is free; return how each of them ended."""
    current, order = team.current(), Improvement.model_validate(row["task"])
    if not await current.looping.has_work(row) and not await _is_fresh(row):
        return {"runs": []}
    await current.repairing.open(order)
    ended: list[Json] = []
    while len(ended) < RUNS and await current.looping.has_work(row):
        state = await _run(runs, row, order.but(kinds=REPAIRABLE))
        if state["status"] == "nothing_to_repair":
            break  # another loop was quicker
        ended.append(state)
    if await _is_fresh(row):
        ended += await _look(runs, row, order.but(kinds=("failing_tests",)))
    return {"runs": ended}


async def _is_fresh(row: Row) -> bool:
    """Return whether the workspace is at a commit whose tests nobody has run or is repairing."""
    head = await asyncio.to_thread(commits.head, row["workspace"])
    return head != row["looked_at"] and not await team.current().looping.is_taken(row)


async def _look(runs: Runs, row: Row, order: Improvement) -> list[Json]:
    """Run the tests of a commit that was not looked at, and repair what fails."""
    looping = team.current().looping
    head = await asyncio.to_thread(commits.head, order.workspace)
    try:
        state = await _run(runs, row, order)
    except ClaimHeldError:
        return []
    except OverdueTestsError:
        await looping.looked(row, head)  # they would take as long in each cycle
        raise
    await looping.looked(row, head)
    if state["status"] == "nothing_to_repair":  # then there is time for what tools have in common
        state = await _run(runs, row, order.but(kinds=("pattern",)))
    if state["status"] == "nothing_to_repair":
        return []
    await looping.add(row, 1)
    return [state]


async def _run(runs: Runs, row: Row, order: Improvement) -> Json:
    thread_id = fresh_thread(threads_of(row["id"]).rstrip("-"))
    given = {"task": order.as_json() | {"id": fresh_thread("repair")}}
    state = await runs.start("improvement", given, thread_id, lambda piece: None)
    told = {name: state.get(name) for name in ("status", "message", "commit", "change_id")}
    told |= {"thread_id": thread_id, "opportunity": state.get("opportunity")}
    if not told["status"]:
        told["status"] = "waiting"
        await _ask(str(told["change_id"]))
    return told


async def _ask(change_id: str) -> None:
    """Tell a person that a change waits."""
    row = await team.current().changing.find(change_id)
    text = f"{row['title']}: agora approvals show {change_id}"
    await team.current().alerting.alert("approval", change_id, text, "notice")


async def follow(runs: Runs, loop_id: str) -> None:
    """Do each cycle of a loop when it is due, until it is stopped or this task is cancelled."""
    while (row := await team.current().looping.by_id(loop_id)) and row["status"] != "stopped":
        try:
            await cycle(runs, loop_id)
        except AgoraError as error:
            log.error("a cycle has failed", loop=loop_id, error=str(error))
        heed_cancellation()
        await asyncio.sleep(POLL_S)


def start_loop(
    workspace: str | Path,
    *,
    preset: str = "default",
    test: str = "pytest -q",
    name: str = "tools",
    runs: Runs | None = None,
    **order: Any,
) -> "asyncio.Task[None]":
    """Look after a workspace in a task of the running event loop; cancel it to end the loop.

    `order` takes fields of an Improvement. Where the program has `runs` open, they are used.
    """
    wanted = Improvement(workspace=str(Path(workspace).absolute()), test=test, **order)
    return asyncio.create_task(_begin(wanted, preset, name, runs))


async def _begin(order: Improvement, preset: str, name: str, runs: Runs | None) -> None:
    if runs is None:
        async with opened() as running:
            return await _begin(order, preset, name, running)
    looping = team.current().looping
    row = await looping.start(order, preset, name)
    try:
        await follow(runs, row["id"])
    finally:
        await looping.stop(order.workspace, name)
