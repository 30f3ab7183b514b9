"""Capabilities: what is on beside the core, how far each has come, and what it was shown to do."""

from datetime import timedelta

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from agora import team
from agora.domain.contracts import Json
from agora.domain.errors import UsageError
from agora.domain.phases import PHASES
from memory import benefits, snapshots
from memory.database import Row
from web import words
from web.entry import Admitted, Form, text_of

router = APIRouter(include_in_schema=False)
DAYS = 30


@router.get("/capabilities")
async def listed(page: Admitted) -> Response:
    """Show each capability with its phase, whether it acts, and what it was good for."""
    known = team.current().capabilities
    rows, since = await known.read(), words.now() - timedelta(days=DAYS)
    told = await known.listed()
    async with page.database.autocommit() as connection:
        shown = await benefits.shown(connection, {one["name"]: since for one in told})
        kept = await snapshots.every(connection)
    return await page.show(
        "capabilities.html",
        here="/capabilities",
        capabilities=[one | _more(rows.get(one["name"])) for one in told],
        benefits=shown,
        days=DAYS,
        phases=PHASES,
        active=sum(one["is_on"] for one in told),
        failed=known.failed(),
        snapshot=kept[0] if kept else None,
    )


def _more(row: Row | None) -> Json:
    """Return the gates of a capability's last move, and who made it."""
    change = row["change"] if row else {}
    return {
        "gates": change.get("gates") or [],
        "by": change.get("by", ""),
        "why": change.get("why"),
    }


@router.post("/capabilities")
async def move(page: Admitted, form: Form) -> Response:
    """Switch a capability off, or let one work again that rests."""
    known, name, reason = (
        team.current().capabilities,
        text_of(form, "name"),
        text_of(form, "reason"),
    )
    match text_of(form, "decision"):
        case "off":
            await known.deactivate(name, reason or "asked", page.visit.by)
        case "resume":
            await known.resume(name)
        case _:
            raise UsageError("nothing was decided", "go back, and use one of the buttons")
    return RedirectResponse("/capabilities", 303)
