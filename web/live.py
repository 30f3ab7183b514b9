"""Live: a word for every page that something has happened; it then asks for itself again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse

from agora import team
from agora.app.draining import stopping
from memory.database import heed_cancellation
from memory.events import Cursor, Wanted
from web.entry import Admitted

router = APIRouter(include_in_schema=False)
LOOK_S, ALIVE_S = 0.8, 15.0
"""How often is looked whether the server stops, and a silent stream says that it is there."""
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
    delivery, silent_s = team.current().stream.delivery, 0.0
    yield f"retry: 3000\nid: {after}\nevent: here\ndata: \n\n"
    while not stopping.is_set():
        heed_cancellation()
        batch = await delivery.read(Wanted(), after, LOOK_S)
        after, silent_s = batch.end, 0.0 if batch.events else silent_s + LOOK_S
        if batch.events:
            yield f"id: {after}\nevent: news\ndata: \n\n"
            await asyncio.sleep(PAUSE_S)
        elif silent_s >= ALIVE_S:
            yield ": alive\n\n"
            silent_s = 0.0


def _cursor(text: str) -> Cursor | None:
    try:
        return Cursor.parse(text)
    except ValueError:
        return None
