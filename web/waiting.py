"""Waiting for a run, whichever process does it: callers see it end also when its server has died.

These routes stand before Aegra's own, which know only of runs in their own process. A broken
connection is taken up again at `Location`, as the LangGraph SDK does by itself.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, cast

from aegra_api.api import runs
from aegra_api.core.auth_deps import auth_dependency, get_current_user
from aegra_api.core.orm import get_session
from aegra_api.models import RunCreate, User
from aegra_api.services.event_store import event_store
from aegra_api.services.streaming_service import streaming_service
from fastapi import APIRouter, Depends, Header, HTTPException
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import StreamingResponse

from agora import team
from memory import served
from memory.database import Row

router = APIRouter(tags=["Runs"], dependencies=auth_dependency)
Caller = Annotated[User, Depends(get_current_user)]
Session = Annotated[AsyncSession, Depends(get_session)]
ENDED = ("success", "error", "interrupted", "timeout")
LOOK_S = 0.5
"""How often a run of another process is looked at."""
BEAT_S = 10.0
"""How often a waiting connection shows that it lives, by a blank."""


@router.post("/threads/{thread_id}/runs/wait")
async def wait(
    thread_id: str,
    request: RunCreate,
    user: Caller,
    session: Session,
) -> StreamingResponse:
    """Begin a run and answer with its output when it has ended, however long that takes."""
    run = await runs.create_run(thread_id, request, user, session)
    return _output(thread_id, run.run_id)


@router.get("/threads/{thread_id}/runs/{run_id}/join")
async def join(thread_id: str, run_id: str) -> StreamingResponse:
    """Answer with the output of a run when it has ended."""
    await _find(thread_id, run_id)
    return _output(thread_id, run_id)


@router.get("/threads/{thread_id}/runs/{run_id}/stream")
async def stream(
    thread_id: str,
    run_id: str,
    user: Caller,
    session: Session,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> StreamingResponse:
    """Follow a run: live where it is ours, else what is stored of it and then its output."""
    await _find(thread_id, run_id)
    if run_id in runs.active_runs:
        live = runs.stream_run(thread_id, run_id, last_event_id, None, user, session)
        return cast("StreamingResponse", await live)
    told = _events(thread_id, run_id, last_event_id)
    return StreamingResponse(told, media_type="text/event-stream")


async def _find(thread_id: str, run_id: str) -> Row:
    async with team.current().database.autocommit() as connection:
        row = await served.find(connection, thread_id, run_id)
    if row is None:
        raise HTTPException(404, f"Run '{run_id}' not found")
    return row


def _output(thread_id: str, run_id: str) -> StreamingResponse:
    """Answer with blanks while the run goes on, then with its output as JSON."""
    location = f"/threads/{thread_id}/runs/{run_id}/join"
    headers = {"Location": location, "Content-Location": location.removesuffix("/join")}
    return StreamingResponse(
        _awaited(thread_id, run_id), media_type="application/json", headers=headers
    )


async def _awaited(thread_id: str, run_id: str) -> AsyncIterator[bytes]:
    yield b"\n"  # headers go out with it: from here the caller knows where to ask again
    async for row in _rows(thread_id, run_id):
        yield json.dumps(_told(row)).encode() if row else b"\n"


def _told(row: Row) -> Any:
    if row["status"] == "error":
        return {"__error__": {"error": "RunError", "message": row["error_message"]}}
    return row["output"] or {}


async def _rows(thread_id: str, run_id: str) -> AsyncIterator[Row | None]:
    """Yield None now and then, and at last the row of the run that has ended."""
    since = 0.0
    while True:
        row = await _find(thread_id, run_id)
        if row["status"] in ENDED:
            yield row
            return
        since += LOOK_S
        if since >= BEAT_S:
            since = 0.0
            yield None
        await _pause(run_id)


async def _pause(run_id: str) -> None:
    """Wait a moment; for a run of our own at most until it has ended."""
    if task := runs.active_runs.get(run_id):
        await asyncio.wait({task}, timeout=LOOK_S)
    else:
        await asyncio.sleep(LOOK_S)


async def _events(thread_id: str, run_id: str, last_id: str | None) -> AsyncIterator[str]:
    """Yield what was told before its server died, what it has come to, and the end."""
    for event in await event_store.get_events_since(run_id, last_id or ""):
        if told := streaming_service._stored_event_to_sse(run_id, event):
            yield told
    async for row in _rows(thread_id, run_id):
        if row is None:
            yield ": waiting\n\n"
            continue
        kind = "error" if row["status"] == "error" else "values"
        yield f"event: {kind}\ndata: {json.dumps(_told(row))}\n\n"
        yield "event: end\ndata: {}\n\n"
