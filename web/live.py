"""Live: a word for every page that something has happened; it then asks for itself again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse

from agora import team
from memory.database import heed_cancellation
from memory.events import Cursor, Wanted
from web.entry import Admitted

router = APIRouter(include_in_schema=False)
ALIVE_S = 15.0
"""How often a silent stream says that it is there, in seconds."""
PAUSE_S = 0.5
"""The least time between two words: a busy team must not keep browsers busy."""


@router.get("/live")
async def live(
    page: Admitted, last_event_id: Annotated[str, Header(alias="last-event-id")] = ""
) -> StreamingResponse:
    """Stream a word whenever anything has happened since the last one."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    after = _cursor(last_event_id) or await team.current().stream.end()
    return StreamingResponse(_words(after), media_type="text/event-stream", headers=headers)


async def _words(after: Cursor) -> AsyncIterator[str]:
    delivery = team.current().stream.delivery
    yield f"retry: 3000\nid: {after}\nevent: here\ndata: \n\n"
    while True:
        heed_cancellation()
        batch = await delivery.read(Wanted(), after, ALIVE_S)
        after = batch.end
        yield f"id: {after}\nevent: news\ndata: \n\n" if batch.events else ": alive\n\n"
        await asyncio.sleep(PAUSE_S)


def _cursor(text: str) -> Cursor | None:
    try:
        return Cursor.parse(text)
    except ValueError:
        return None
