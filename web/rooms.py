"""War rooms: which meetings there were, and one of them with its votes and its ruling."""

from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import FormData

from agora import team
from agora.app import deciding
from agora.domain.contracts import Ruling
from agora.domain.errors import UsageError
from memory import views
from memory.database import Row
from web import charts, prose
from web.approvals import LONGEST_REASON, begin
from web.entry import Admitted, Form, text_of

router = APIRouter(include_in_schema=False)


@router.get("/rooms")
async def listed(page: Admitted) -> Response:
    """Show the newest meetings."""
    async with page.database.autocommit() as connection:
        rows = await views.rooms(connection)
    return await page.show("rooms.html", here="/rooms", rooms=rows)


@router.get("/rooms/{room_id}")
async def one(request: Request, page: Admitted, room_id: str) -> Response:
    """Show who said what, with what weight, and what was ruled, or how a person may rule."""
    meeting = team.current().meeting
    appeal, row = await meeting.appealing.find(room_id), await meeting.minutes.find(room_id)
    if row is None and appeal is not None:
        row = await _open(appeal)
    if row is None:
        raise UsageError(f"there is no meeting of a task {room_id}", "agora ask --urgent TEXT")
    minutes = row["minutes"]
    ruling = Ruling.model_validate(minutes["ruling"])
    most = max((vote.weight for vote in ruling.votes), default=0.0)
    return await page.show(
        "room.html",
        here="/rooms",
        room=row,
        appeal=appeal,
        answers=_answers(Ruling.model_validate(appeal["ruling"])) if appeal else [],
        problem=request.query_params.get("problem", ""),
        task=minutes["task"],
        spent=minutes["spent"],
        ruling=ruling,
        answer=prose.blocks(ruling.answer),
        widths=[charts.percent(vote.weight, most) for vote in ruling.votes],
    )


@router.post("/rooms/{room_id}")
async def rule(request: Request, page: Admitted, form: Form, room_id: str) -> Response:
    """Keep what a person rules, and go on with the run that waits for it."""
    appeal = await team.current().meeting.appealing.find(room_id)
    here = f"/rooms/{quote(room_id, safe='')}"
    said = "" if appeal is None else _said(form, Ruling.model_validate(appeal["ruling"]))
    if said is None:
        return RedirectResponse(f"{here}?problem=Choose+an+answer,+or+write+one.#decide", 303)
    await deciding.rule(room_id, said, page.visit.by)
    begin(request, deciding.go_on_ruled(request.app.state.runs, room_id))
    return RedirectResponse(here, 303)


async def _open(appeal: Row) -> Row:
    """Return a meeting that has yet to be ruled, in the form of one that was."""
    spent = await team.current().meeting.minutes.spent(appeal["room_id"])
    minutes = {"task": appeal["task"], "ruling": appeal["ruling"], "spent": spent}
    return {"id": appeal["room_id"], "minutes": minutes, "ruled_at": None, "truth": None}


def _answers(ruling: Ruling) -> list[str]:
    """Return what a person may choose from, the leading answer first."""
    return [ruling.answer, *ruling.dissent]


def _said(form: FormData, ruling: Ruling) -> str | None:
    """Return the answer of a form, "" to leave it open; None: nothing was decided."""
    answers, written = _answers(ruling), text_of(form, "written").strip()[:LONGEST_REASON]
    if text_of(form, "decision") == "open":
        return ""
    chosen = text_of(form, "answer")
    if chosen in ("written", "") and written:
        return written
    return answers[int(chosen)] if chosen.isdecimal() and int(chosen) < len(answers) else None
