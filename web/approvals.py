"""Approvals: what waits for a person, with all that speaks for and against it; and the answer."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from agora import team
from agora.app import deciding
from agora.app.draining import counted
from agora.app.runs import Runs
from agora.domain.contracts import Json
from agora.domain.errors import UsageError
from agora.team.changing import report_of
from memory import changes, views
from memory.database import Row
from web import diffs, paths
from web.entry import Admitted, Form, text_of
from web.overview import all_waiting

router = APIRouter(include_in_schema=False)
log = structlog.get_logger(__name__)
MOST_RIVALS = 3
LONGEST_REASON = 2_000
OPEN = ("proposed", "waiting")


@router.get("/approvals")
async def listed(page: Admitted) -> Response:
    """Show what waits, and what people have said before."""
    async with page.database.autocommit() as connection:
        waiting = await all_waiting(connection)
        rows = await views.changes(connection)
    return await page.show(
        "approvals.html",
        here="/approvals",
        waiting=waiting,
        answered=[row for row in rows if row["said"]],
    )


@router.get("/approvals/{change_id}")
async def one(request: Request, page: Admitted, change_id: str) -> Response:
    """Show a change with its report, tests and rivals, and the form that decides."""
    changing = team.current().changing
    row, said = await changing.find(change_id), await changing.answered(change_id)
    async with page.database.autocommit() as connection:
        events = await views.steps(connection, row["case_id"].partition(".")[0])
    passed, evidence = paths.steps(events), row["evidence"]
    return await page.show(
        "approval.html",
        here="/approvals",
        change=row,
        said=said,
        is_open=row["status"] in OPEN and said is None,
        verdict=evidence.get("verdict") or {},
        report=report_of(row),
        tests=evidence.get("tests"),
        reasons=evidence.get("reasons") or [],
        lines=diffs.lines(row["diff"]),
        counts=diffs.counts(row["diff"]),
        rivals=_rivals(evidence),
        steps=passed,
        picture=_picture(row, passed),
        run=await _run(request, row, said),
        edited=await _edited(row, said),
        problem=request.query_params.get("problem", ""),
    )


@router.post("/approvals/{change_id}")
async def decide(request: Request, page: Admitted, form: Form, change_id: str) -> Response:
    """Keep what a person says, and go on with the run; the page follows it."""
    decision = _decision(form)
    if isinstance(decision, str):
        return _back(change_id, f"?problem={quote(decision)}#decide")
    await deciding.say(change_id, decision | {"by": page.visit.by})
    begin(request, deciding.go_on(request.app.state.runs, change_id))
    return _back(change_id)


@router.post("/approvals/{change_id}/again")
async def again(request: Request, page: Admitted, form: Form, change_id: str) -> Response:
    """Try once more what has failed after the answer."""
    if await team.current().changing.answered(change_id) is None:
        raise UsageError(f"change {change_id} waits for an answer first")
    begin(request, deciding.go_on(request.app.state.runs, change_id))
    return _back(change_id)


def _decision(form: Any) -> Json | str:
    """Return the decision of a form, or what is wrong with it."""
    kind, reason = text_of(form, "decision"), text_of(form, "reason").strip()[:LONGEST_REASON]
    decision: Json = {"type": kind, "digest": text_of(form, "hash"), "message": reason}
    if kind not in ("approve", "edit", "reject") or not decision["digest"]:
        return "Nothing was decided."
    if kind == "reject" and not reason:
        return "Say why you reject it: the search learns from it."
    if kind == "edit":
        diff = text_of(form, "diff")
        if not diff.strip():
            return "Your version is empty."
        decision |= {"diff": f"{diff.rstrip(chr(10))}\n"}
    return decision


def _back(change_id: str, more: str = "") -> Response:
    return RedirectResponse(f"/approvals/{quote(change_id, safe='')}{more}", 303)


def begin(request: Request, work: Coroutine[Any, Any, Json]) -> None:
    """Go on with a run behind the form's back: testing a version may take a minute."""
    begun: set[asyncio.Task[None]] = request.app.state.begun
    task = asyncio.create_task(_carry_out(work))
    begun.add(task)
    task.add_done_callback(begun.discard)


async def _carry_out(work: Coroutine[Any, Any, Json]) -> None:
    try:
        with counted():
            await work
    except Exception as error:
        # Whatever it dies of, the answer is kept: the page shows what the run says of it.
        log.warning("a decision could not be carried out", error=str(error))


def _rivals(evidence: Json) -> list[Json]:
    found = evidence.get("rivals") or []
    return [
        {
            "lines": diffs.lines(str(one.get("diff", ""))),
            "description": one.get("description", ""),
            "reasons": one.get("reasons") or [],
        }
        for one in found[:MOST_RIVALS]
    ]


def _picture(row: Row, passed: list[paths.Step]) -> paths.Picture | None:
    is_over = row["status"] not in (*OPEN, "approved")
    return paths.picture("improvement", passed, is_over) if passed else None


async def _run(request: Request, row: Row, said: Row | None) -> Json | None:
    """Return how the run stands that an answer is for; None: it need not be looked at."""
    if said is None or row["status"] not in (*OPEN, "approved"):
        return None
    running: Runs = request.app.state.runs
    return await running.status(row["thread_id"])


async def _edited(row: Row, said: Row | None) -> Row | None:
    """Return the change that a person has written instead of this one, once it is there."""
    if said is None or said["type"] != "edit":
        return None
    async with team.current().database.autocommit() as connection:
        return await changes.find(connection, f"{row['id']}e")
