import socket
from collections.abc import Iterator

import httpx
import pytest

from agora.domain.wires import Wire

LONG = bytes(16_000_000)  # more than the buffers between two sockets hold


@pytest.fixture
def deaf() -> Iterator[str]:
    """Take requests, and never read them to their end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


async def test_a_request_that_broke_off_on_its_way_may_have_been_served(deaf: str) -> None:
    wire = Wire()
    async with httpx.AsyncClient(
        event_hooks=wire.hooks, timeout=httpx.Timeout(30, write=0.2)
    ) as client:
        with pytest.raises(httpx.WriteTimeout):
            await client.post(deaf, content=LONG)
    assert wire.is_begun


async def test_a_request_that_found_nobody_was_not_served() -> None:
    wire = Wire()
    async with httpx.AsyncClient(event_hooks=wire.hooks) as client:
        with pytest.raises(httpx.ConnectError):
            await client.post("http://127.0.0.1:9", content=b"{}")
    assert not wire.is_begun
