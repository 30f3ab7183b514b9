import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langsmith import Client
from langsmith.run_helpers import tracing_context

from tests.running import Hire


class Receiver(ThreadingHTTPServer):
    """A LangSmith server that keeps the runs that it is sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.runs: list[dict[str, Any]] = []

    def metadata(self, name: str) -> dict[str, Any]:
        """Return all the metadata of the runs of one name."""
        told: dict[str, Any] = {}
        for run in self.runs:
            if run.get("name") == name:
                told |= run["extra"]["metadata"]
        return told


class _Request(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.runs.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_PATCH = do_POST

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        yield receiver
        receiver.shutdown()


async def test_a_trace_shows_every_term_of_every_bid(hire: Hire, receiver: Receiver) -> None:
    staff = hire()
    url = f"http://127.0.0.1:{receiver.server_port}"
    client = Client(api_url=url, api_key="none", auto_batch_tracing=False)
    with tracing_context(enabled=True, client=client):
        outcome = await staff.ask("What is the capital of France?")
    assert outcome["status"] == "answered"
    told = receiver.metadata("bidding")
    state = await staff.state()
    assert told["bids"] == json.loads(json.dumps(state["bids"])) and told["bids"][0]["score"] > 0
    assert told["award"]["winner"]["model"] == "qwen3:8b"
    assert receiver.metadata("execution")["expert"] == outcome["expert"]


async def test_where_nobody_traces_nothing_is_sent(hire: Hire, receiver: Receiver) -> None:
    await hire().ask("What is the capital of France?")
    assert receiver.runs == []
