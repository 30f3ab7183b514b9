"""A LangSmith server on this machine: what it was sent can be read, and it may be away."""

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langsmith import Client
from langsmith.run_helpers import tracing_context

PROJECT = str(uuid.uuid4())
BEGAN = "2026-01-01T00:00:00"


class Receiver(ThreadingHTTPServer):
    """A LangSmith server that keeps the runs, the feedback and the prompts that it is sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.runs: dict[str, dict[str, Any]] = {}
        self.feedback: dict[str, Any] = {}
        self.repos: dict[str, list[dict[str, Any]]] = {}
        self.is_away = False

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
        if self.server.is_away:
            self.answer(503, {})
            return
        if self.path.startswith(("/repos", "/commits", "/settings")):
            self.answer(*self.hub(said))
            return
        if self.path == "/feedback":
            self.server.feedback[said["key"]] = said
        elif self.path.startswith("/feedback/"):
            told = self.server.feedback.values()
            (old,) = [one for one in told if one.get("id") == self.path.rsplit("/", 1)[-1]]
            old |= said
        elif self.path.startswith("/runs"):
            run_id = said.get("id") or self.path.rsplit("/", 1)[-1]
            known = self.server.runs.setdefault(run_id, {})
            known |= {key: value for key, value in said.items() if value is not None}
        answer: Any = {}
        if self.path.startswith("/sessions"):
            project: dict[str, Any] = {"id": PROJECT, "tenant_id": PROJECT, "name": "default"}
            project["reference_dataset_id"] = None
            answer = [project | {"start_time": BEGAN}]
        self.answer(200, answer)

    def hub(self, said: dict[str, Any]) -> tuple[int, Any]:
        """Answer as the prompt hub does: a repo has commits, and none is the last one again."""
        repos, (_, kind, *named) = self.server.repos, self.path.partition("?")[0].split("/")
        name = next((part for part in reversed(named) if part), "")
        if kind == "settings":
            return 200, {"id": PROJECT, "display_name": "us", "created_at": BEGAN}
        if kind == "repos" and self.command == "POST":
            repos[said["repo_handle"]] = []
            return 200, {"repo": _repo(said["repo_handle"])}
        if kind == "repos":
            return (200, {"repo": _repo(name)}) if name in repos else (404, {})
        if self.command == "POST":
            if repos[name] and repos[name][-1]["manifest"] == said["manifest"]:
                return 409, {"detail": "nothing to commit"}
            repos[name].append(said)
            return 200, {"commit": {"id": PROJECT, "commit_hash": f"c{len(repos[name])}"}}
        return 200, {"commits": [{"commit_hash": f"c{len(repos[name])}"}] if repos[name] else []}

    def answer(self, status: int, told: Any) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PATCH = do_POST

    def log_message(self, *_: object) -> None:
        """Stay silent."""


def _repo(name: str) -> dict[str, Any]:
    told: dict[str, Any] = dict.fromkeys(("is_public", "is_archived"), False)
    told |= dict.fromkeys(("num_likes", "num_downloads", "num_views", "num_commits"), 0)
    told |= {"repo_handle": name, "id": PROJECT, "tenant_id": PROJECT, "created_at": BEGAN}
    return told | {"updated_at": BEGAN, "tags": [], "owner": None, "full_name": f"-/{name}"}


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
