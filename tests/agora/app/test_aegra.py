import asyncio

import pytest
from aegra_api.services.broker import broker_manager
from aegra_api.services.streaming_service import streaming_service

from agora.app import aegra


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
