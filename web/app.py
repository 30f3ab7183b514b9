"""The app that the LangGraph server mounts: its routes stand beside the server's own.

A page is a router in a module of its own, named in `app` below.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from agora import team
from agora.app import runs
from web import mcp, probes
from web.access import Access


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the team and its runs for as long as the server lives: `request.app.state.runs`."""
    await team.prepare()
    async with runs.opened() as running:
        app.state.runs = running
        async with mcp.opened(running):
            yield


app = FastAPI(title="Agora", docs_url=None, redoc_url=None, lifespan=lifespan)
app.add_middleware(Access)
app.include_router(probes.router)
app.router.routes.extend(mcp.routes)
