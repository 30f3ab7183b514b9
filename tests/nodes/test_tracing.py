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

    def lines(self, kind: str) -> list[list[str]]:
        """Return for each run of a kind the names from it up to the root."""
        by = {run["id"]: run for run in self.runs if run.get("name")}
        return [_line(by, run) for run in by.values() if run["run_type"] == kind]


def _line(by: dict[str, dict[str, Any]], run: dict[str, Any]) -> list[str]:
    parent = by.get(run.get("parent_run_id") or "")
    return [run["name"], *(_line(by, parent) if parent else [])]


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


@pytest.fixture
def traced(receiver: Receiver) -> Iterator[None]:
    url = f"http://127.0.0.1:{receiver.server_port}"
    client = Client(api_url=url, api_key="none", auto_batch_tracing=False)
    with tracing_context(enabled=True, client=client):
        yield


@pytest.mark.usefixtures("traced")
async def test_a_trace_shows_every_term_of_every_bid(hire: Hire, receiver: Receiver) -> None:
    staff = hire()
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


def voting(_: Any) -> str:
    return json.dumps({"answer": "yes", "confidence": 0.9, "argument": "it holds"})


@pytest.mark.usefixtures("traced")
async def test_each_member_of_a_meeting_is_traced_under_its_task(
    hire: Hire, receiver: Receiver
) -> None:
    staff = hire(voting, local=("qwen3:8b", "llama3.2:3b", "mistral:7b"))
    await staff.ask("Shall we paint the bridge?", urgency="urgent")
    lines = receiver.lines("llm")
    assert len(lines) >= 2
    for client, stage, room, node, task in lines:
        assert (stage, node) == ("vote", "war_room") and room == task != client


@pytest.mark.usefixtures("traced")
async def test_each_subtask_is_traced_under_its_task(hire: Hire, receiver: Receiver) -> None:
    staff = hire()
    await staff.ask("Answer:\n1. What is two by two?\n2. What is six by seven?", split=True)
    assert [line[1:] for line in receiver.lines("llm")] == 2 * [["subtask", "LangGraph"]]
