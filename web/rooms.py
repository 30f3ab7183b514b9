"""War rooms: which meetings there were, and one of them with its votes and its ruling."""

from fastapi import APIRouter
from fastapi.responses import Response

from agora.domain.contracts import Ruling
from agora.domain.errors import UsageError
from memory import rooms, views
from web import charts, prose
from web.entry import Admitted

router = APIRouter(include_in_schema=False)


@router.get("/rooms")
async def listed(page: Admitted) -> Response:
    """Show the newest meetings."""
    async with page.database.autocommit() as connection:
        rows = await views.rooms(connection)
    return await page.show("rooms.html", here="/rooms", rooms=rows)


@router.get("/rooms/{room_id}")
async def one(page: Admitted, room_id: str) -> Response:
    """Show who said what, with what weight, and what was ruled."""
    async with page.database.autocommit() as connection:
        row = await rooms.find(connection, room_id)
    if row is None:
        raise UsageError(f"there is no meeting of a task {room_id}", "agora ask --urgent TEXT")
    minutes = row["minutes"]
    ruling = Ruling.model_validate(minutes["ruling"])
    most = max((vote.weight for vote in ruling.votes), default=0.0)
    return await page.show(
        "room.html",
        here="/rooms",
        room=row,
        task=minutes["task"],
        spent=minutes["spent"],
        ruling=ruling,
        answer=prose.blocks(ruling.answer),
        widths=[charts.percent(vote.weight, most) for vote in ruling.votes],
    )
