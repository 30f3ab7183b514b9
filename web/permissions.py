"""Permissions: acts that the policies leave to a person, and the yes or no."""

from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from agora import team
from agora.app import deciding
from agora.app.runs import Runs
from agora.domain.contracts import Act
from agora.domain.errors import UsageError
from web.approvals import LONGEST_REASON, begin
from web.entry import Admitted, Form, text_of

router = APIRouter(include_in_schema=False)


@router.get("/permissions/{act_id}")
async def one(request: Request, page: Admitted, act_id: str) -> Response:
    """Show an act: who wants to do what, and why a person is asked."""
    row = await team.current().acting.escalation(act_id)
    if row is None:
        raise UsageError(f"there is no act {act_id} that waits", "all that waits: Approvals")
    running: Runs = request.app.state.runs
    status = await running.status(row["thread_id"]) if row["type"] and row["thread_id"] else None
    return await page.show(
        "permission.html",
        here="/approvals",
        row=row,
        act=Act.model_validate(row["act"]),
        run=status,
        problem=request.query_params.get("problem", ""),
    )


@router.post("/permissions/{act_id}")
async def decide(request: Request, page: Admitted, form: Form, act_id: str) -> Response:
    """Keep what a person says, and go on with the run that waits for it."""
    kind, reason = text_of(form, "decision"), text_of(form, "reason").strip()[:LONGEST_REASON]
    here = f"/permissions/{quote(act_id, safe='')}"
    if kind == "reject" and not reason:
        return RedirectResponse(f"{here}?problem=Say+why+you+reject+it.#decide", 303)
    await deciding.permit(act_id, {"type": kind, "by": page.visit.by, "message": reason})
    begin(request, deciding.go_on_permitted(request.app.state.runs, act_id))
    return RedirectResponse(here, 303)
