"""The app that the LangGraph server mounts: its routes stand beside the server's own.

A page is a router in a module of its own, named in `ROUTERS` below.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from agora import team
from agora.app import runs
from agora.domain.errors import AgoraError, RefusedError, UsageError
from memory.database import end
from web import (
    approvals,
    capabilities,
    decisions,
    entry,
    experts,
    incidents,
    live,
    mcp,
    overview,
    permissions,
    probes,
    rooms,
    static,
    tasks,
    tools,
)
from web.access import Access, way_to_login
from web.entry import ForbiddenError, LogInNeededError
from web.frame import page_of
from web.sessions import choose_sessions

ROUTERS = (
    probes,
    static,
    entry,
    live,
    overview,
    tasks,
    approvals,
    permissions,
    experts,
    tools,
    rooms,
    decisions,
    incidents,
    capabilities,
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the team and its runs for as long as the server lives: `request.app.state.runs`."""
    await team.prepare()
    async with runs.opened() as running:
        await furnish(running)
        try:
            async with mcp.opened(running):
                yield
        finally:
            # What is cut off here a worker goes on with: what a person said is kept.
            for task in list(app.state.begun):
                await end(task)


async def furnish(running: runs.Runs) -> None:
    """Give the app what its pages ask: the self-test does, too."""
    app.state.runs, app.state.verified = running, None
    app.state.sessions = await asyncio.to_thread(choose_sessions, team.current().settings)
    app.state.begun = set[asyncio.Task[None]]()  # what goes on after its form was answered


app = FastAPI(title="Agora", docs_url=None, redoc_url=None, lifespan=lifespan)
app.add_middleware(Access)
for one in ROUTERS:
    app.include_router(one.router)
app.router.routes.extend(mcp.routes)


@app.exception_handler(LogInNeededError)
async def _log_in(request: Request, error: Exception) -> Response:
    return RedirectResponse(way_to_login(request), 303)


@app.exception_handler(ForbiddenError)
async def _forbidden(request: Request, error: Exception) -> Response:
    said = {"title": "Not accepted", "problem": f"Nothing was done: {error}.", "hint": ""}
    return await _problem(request, said, 403)


@app.exception_handler(AgoraError)
async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, AgoraError)
    status = {UsageError: 404, RefusedError: 409}.get(type(error), 503)
    said = {"title": "That did not work", "problem": str(error), "hint": error.hint}
    return await _problem(request, said, status)


async def _problem(request: Request, said: dict[str, str], status: int) -> Response:
    visit = entry.visit_of(request) or request.app.state.sessions.begin()
    return await page_of(request, visit).show("problem.html", status=status, **said)
