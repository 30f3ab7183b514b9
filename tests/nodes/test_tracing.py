import asyncio
import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langsmith import Client
from langsmith.run_helpers import tracing_context

from nodes.tracing import flush
from tests.running import Hire

PROJECT = str(uuid.uuid4())


class Receiver(ThreadingHTTPServer):
    """A LangSmith server that keeps the runs that it is sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.runs: dict[str, dict[str, Any]] = {}
        self.feedback: dict[str, Any] = {}

    def named(self, name: str) -> dict[str, Any]:
        """Return the last run of a name."""
        return [run for run in self.runs.values() if run["name"] == name][-1]

    def metadata(self, name: str) -> dict[str, Any]:
        """Return the metadata of the last run of a name."""
        found: dict[str, Any] = self.named(name)["extra"]["metadata"]
        return found

    def lines(self, kind: str) -> list[list[str]]:
        """Return for each run of a kind the names from it up to the root."""
        by = self.runs
        return [_line(by, run) for run in by.values() if run["run_type"] == kind]


def _line(by: dict[str, dict[str, Any]], run: dict[str, Any]) -> list[str]:
    parent = by.get(run.get("parent_run_id") or "")
    return [run["name"], *(_line(by, parent) if parent else [])]


class _Request(BaseHTTPRequestHandler):
    server: Receiver

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        said = json.loads(self.rfile.read(length)) if length else {}
        if self.path == "/feedback":
            self.server.feedback[said["key"]] = said
        elif self.path.startswith("/runs"):
            run_id = said.get("id") or self.path.rsplit("/", 1)[-1]
            known = self.server.runs.setdefault(run_id, {})
            known |= {key: value for key, value in said.items() if value is not None}
        answer = b"{}"
        if self.path.startswith("/sessions"):
            project: dict[str, Any] = {"id": PROJECT, "tenant_id": PROJECT, "name": "default"}
            project["reference_dataset_id"] = None
            answer = json.dumps([project | {"start_time": "2026-01-01T00:00:00"}]).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

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
    told = receiver.metadata("agora.bidding")
    state = await staff.state()
    assert told["bids"] == json.loads(json.dumps(state["bids"])) and told["bids"][0]["score"] > 0
    assert told["award"]["winner"]["model"] == "qwen3:8b"
    assert receiver.metadata("agora.execution")["expert"] == outcome["expert"]


@pytest.mark.usefixtures("traced")
async def test_every_run_of_a_trace_says_which_thread_and_task_it_is_of(
    hire: Hire, receiver: Receiver
) -> None:
    staff = hire(local=("qwen3:8b", "llama3.1:8b"), cloud=True)
    await staff.ask("Sell or wait?", on="here", id="sell", urgency="urgent")
    stages = {run["name"] for run in receiver.runs.values()}
    entered = {f"agora.{stage}" for stage in await staff.entered()}
    assert entered <= stages and "agora.ruling" in stages
    threads = {run["extra"]["metadata"].get("thread_id") for run in receiver.runs.values()}
    assert threads == {"here"}
    assert receiver.metadata("agora.reflection")["task_id"] == "sell"
    assert receiver.metadata("agora.reflection")["policy_hash"] == staff.team.acting.policy.hash
    assert receiver.metadata("agora.vote")["audit_seq"] >= 1


@pytest.mark.usefixtures("traced")
async def test_a_trace_is_tagged_with_how_it_went(hire: Hire, receiver: Receiver) -> None:
    outcome = await hire().ask("What is the capital of France?", labels=("private",))
    (root,) = [run for run in receiver.runs.values() if not run.get("parent_run_id")]
    wanted = {"outcome:answered", f"expert:{outcome['expert']}", "route:auction"}
    assert wanted | {"env:local", "risk:medium"} <= {*root["tags"]}
    assert len([tag for tag in root["tags"] if tag.startswith("outcome:")]) == 1
    assert root["extra"]["metadata"]["cost_usd"] == outcome["cost_usd"]


@pytest.mark.usefixtures("traced")
async def test_a_trace_is_judged(hire: Hire, receiver: Receiver) -> None:
    staff = hire(local=("qwen3:8b", "llama3.1:8b"), cloud=True)
    await staff.ask("Sell or wait?", urgency="urgent")
    await asyncio.to_thread(flush)
    assert receiver.feedback["correctness"]["score"] == 1.0
    assert 0 < receiver.feedback["consensus_agreement"]["score"] <= 1
    (root,) = [run for run in receiver.runs.values() if not run.get("parent_run_id")]
    assert receiver.feedback["correctness"]["run_id"] == root["id"]


@pytest.mark.usefixtures("traced")
async def test_a_refusal_by_policy_is_a_violation(hire: Hire, receiver: Receiver) -> None:
    staff = hire(cloud=True, local=())
    await staff.ask("My own matter", labels=("private",))
    await asyncio.to_thread(flush)
    assert receiver.feedback["policy_violation"]["score"] == 1.0
    assert "correctness" not in receiver.feedback


async def test_where_nobody_traces_nothing_is_sent(hire: Hire, receiver: Receiver) -> None:
    await hire().ask("What is the capital of France?")
    assert not receiver.runs and not receiver.feedback


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
        assert (stage, node) == ("agora.vote", "war_room") and room == task != client


@pytest.mark.usefixtures("traced")
async def test_each_subtask_is_traced_under_its_task(hire: Hire, receiver: Receiver) -> None:
    staff = hire()
    await staff.ask("Answer:\n1. What is two by two?\n2. What is six by seven?", split=True)
    assert [line[1:] for line in receiver.lines("llm")] == 2 * [["agora.subtask", "LangGraph"]]
