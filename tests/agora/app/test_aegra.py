import asyncio
import socket
from typing import Any

import pytest
from aegra_api.services.broker import broker_manager
from aegra_api.services.streaming_service import streaming_service

from agora.app import aegra
from agora.app.serving import Server


async def test_what_nobody_reads_of_a_stream_is_dropped_a_while_after_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streaming_service, "cleanup_run", streaming_service.cleanup_run)
    monkeypatch.setattr(aegra, "READ_S", 0.05)
    aegra.drop_streams()
    await streaming_service.put_to_broker("one", "one_event_1", ("values", {"large": "x"}))
    await streaming_service.cleanup_run("one")
    assert broker_manager.get_broker("one"), "who has just asked may still read"
    async with asyncio.timeout(30):
        while broker_manager.get_broker("one"):
            await asyncio.sleep(0.01)
    assert "one" not in streaming_service.event_counters


async def test_of_servers_that_start_at_once_one_after_the_other_writes_what_all_begin_with(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aegra, "LOOK_S", 0.01)
    steps: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        steps.append("looks")
        await asyncio.sleep(0.2)
        steps.append("writes")
        await send({"type": "lifespan.startup.complete"})

    async def start(door: socket.socket) -> None:
        server = Server(app, url, drain_s=0)
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup([door])
        for listening in server.servers:
            listening.close()

    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        await asyncio.gather(start(one), start(two))
    assert steps == ["looks", "writes"] * 2
