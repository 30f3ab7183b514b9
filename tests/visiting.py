"""The pages on a real server of the test's own event loop, and a client that reads them."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape

import httpx
import pytest
import uvicorn

import agora.team
from agora.app.draining import stopping
from agora.app.runs import Runs
from web import access, mcp
from web.app import app

TOKEN = "open-sesame-2026"


@dataclass(frozen=True)
class Served:
    """A server of pages, and a visitor without a browser."""

    address: str
    client: httpx.AsyncClient

    async def read(self, path: str, status: int = 200) -> str:
        """Return a page as it was sent."""
        answer = await self.client.get(path)
        assert answer.status_code == status, (path, answer.status_code, answer.text[:2000])
        return answer.text

    async def post(self, path: str, page: str, **fields: str) -> httpx.Response:
        """Send a form with the token that stands on a page."""
        return await self.client.post(path, data={"csrf": form_token(page)} | fields)


def form_token(page: str) -> str:
    """Return the token of a page's forms."""
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found, "the page has no form"
    return unescape(found[1])


@asynccontextmanager
async def serving(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """Serve the pages of the current team on a free port."""
    known = agora.team.current().settings.serve
    monkeypatch.setattr(access, "settings", lambda: known)
    monkeypatch.setattr(mcp, "opened", _closed)  # it opens once a process, and is tested elsewhere
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=5)
        )
        running = asyncio.create_task(server._serve([listening]))
        while not server.started:
            assert not running.done(), running
            await asyncio.sleep(0.01)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with httpx.AsyncClient(base_url=address, timeout=30) as client:
            try:
                yield Served(address, client)
            finally:
                stopping.set()
                server.should_exit = True
                await running
                stopping.clear()


@asynccontextmanager
async def _closed(running: Runs) -> AsyncIterator[None]:
    yield
