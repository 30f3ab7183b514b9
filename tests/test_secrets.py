"""Canary secrets, planted wherever secrets are, come out nowhere."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.agora.app.cli.conftest import Agora, Start, agora, ended, environment, start
from tests.conftest import ask, repository
from tests.model_server import Call, ModelServer
from tests.reading import ROOT
from tests.running import Hire, hire
from tests.visiting import Served, serving

__all__ = ["agora", "environment", "hire", "start"]
SETTING = "canary setting 4711 that looks like nothing"
SHAPED = "sk-canary0123456789abcdefghij"
IN_TOOL = "ghp_canary0123456789abcdefghijklmnop"
IN_DOCUMENT = "AKIACANARY0123456789"
CANARIES = (SETTING, SHAPED, IN_TOOL, IN_DOCUMENT)
FILES = {
    "README.md": f"# Harbour\n\nThe harbour uses the key {IN_DOCUMENT} and {SETTING}, it says.\n",
    "harbour.py": f'''def key(name: str) -> str:
    """Return the key of a harbour."""
    return "{IN_TOOL} of " + name


def fail(name: str) -> str:
    """Fail at a harbour."""
    raise ValueError("no entry with {IN_TOOL}")
''',
}
ASKED = f"Use the python function of the harbour; my key is {SHAPED}"
EVERYTHING = """
SELECT table_name FROM information_schema.tables
WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
"""


class Tracer(ThreadingHTTPServer):
    """Keeps all that LangSmith's client sends, as it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.bodies: list[bytes] = []


class _Request(BaseHTTPRequestHandler):
    server: Tracer

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers.get("content-length", 0))))
        self._answer(b"{}")

    do_PATCH = do_POST

    def do_GET(self) -> None:
        sizes = {"size_limit": 100, "size_limit_bytes": 20_000_000}
        sizes |= {"scale_up_nthreads_limit": 4, "scale_up_qsize_trigger": 1000}
        told = {"version": "0", "batch_ingest_config": sizes | {"use_multipart_endpoint": False}}
        self._answer(json.dumps(told).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def tracer() -> Iterator[Tracer]:
    with Tracer() as tracer:
        threading.Thread(target=tracer.serve_forever, daemon=True).start()
        yield tracer
        tracer.shutdown()


def calling(messages: Sequence[Any]) -> str | Call:
    """Call both tools, then repeat all that was ever said."""
    told = [message for message in messages if message["role"] == "tool"]
    if len(told) < 2:
        return Call(("harbour_key", "harbour_fail")[len(told)], {"name": "north"})
    return " ".join(str(message.get("content")) for message in messages)


@pytest.fixture
def models() -> Iterator[ModelServer]:
    with ModelServer(calling, models=["qwen3:8b"]) as server:
        yield server


@pytest.fixture
def work(
    models: ModelServer,
    tracer: Tracer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
) -> str:
    """Configure a model, traces, and a secret that no pattern knows; return a workspace."""
    monkeypatch.setenv("OLLAMA_HOST", models.url)
    monkeypatch.setenv("OPENAI_API_KEY", SETTING)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    for name, value in {
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_ENDPOINT": f"http://127.0.0.1:{tracer.server_port}",
        "LANGSMITH_API_KEY": "none",
    }.items():
        environment[name] = value
    return str(repository(tmp_path / "w", FILES))


def leaks(text: str) -> list[str]:
    return [canary for canary in CANARIES if canary in text]


def stored(url: str) -> dict[str, list[str]]:
    """Return which canaries each table of the database holds."""
    with psycopg.connect(url) as connection:
        names = [name for (name,) in connection.execute(EVERYTHING)]
        texts = {
            name: "\n".join(
                f"{row}\n{bytes(blob).decode('utf-8', 'replace') if blob else ''}"
                for row, blob in connection.execute(_rows(connection, name))
            )
            for name in names
        }
    return {name: found for name, text in texts.items() if (found := leaks(text))}


def _rows(connection: Any, table: str) -> bytes:
    columns = {
        name
        for (name,) in connection.execute(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_name = %s AND data_type = 'bytea'",
            [table],
        )
    }
    blob = " || ".join(f"coalesce({name}, '')" for name in columns) or "NULL::bytea"
    return f'SELECT (one.*)::text, {blob} FROM "{table}" AS one'.encode()


@pytest.mark.needs("bubblewrap")
def test_no_secret_comes_out_of_a_run(
    start: Start, work: str, models: ModelServer, tracer: Tracer, url: str
) -> None:
    arguments = ("ask", ASKED, "--workspace", work, "--domain", "software", "--json")
    with start(*arguments) as process:
        said = ended(process)
    assert said.code == 0, said.err
    assert len(said.json["answer"]) > 50 and "[redacted]" in said.json["answer"]
    prompts = "\n".join(exchange.prompt for exchange in models.exchanges)
    assert len(models.exchanges) == 3 and "harbour uses the key [redacted]" in prompts
    traced = b"\n".join(tracer.bodies).decode("utf-8", "replace")
    assert "execution" in traced and "harbour" in traced
    for where, text in {
        "output": said.out,
        "errors": said.err,
        "prompts": prompts,
        "traces": traced,
    }.items():
        assert not leaks(text), where
    assert not stored(url)


def test_the_texts_of_exceptions_are_traced_without_secrets(
    start: Start, work: str, tracer: Tracer, tmp_path: Path
) -> None:
    broken = str(tmp_path / f"gone-{SHAPED}")
    code = (
        "import asyncio\n"
        "from agora.app import runs\n"
        "from agora.team import farewell\n"
        "farewell.FAREWELL_S = 60.0\n"
        "async def main():\n"
        "    async with runs.opened() as running:\n"
        f"        task = {{'text': 'What is it?', 'workspace': {broken!r}}}\n"
        "        graph = running.graphs['task']\n"
        "        await graph.ainvoke({'task': task}, {'configurable': {'thread_id': 'one'}})\n"
        "asyncio.run(main())\n"
    )
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_ENDPOINT": f"http://127.0.0.1:{tracer.server_port}",
        "LANGSMITH_API_KEY": "none",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    traced = b"\n".join(tracer.bodies).decode("utf-8", "replace")
    assert done.returncode and '"error":"' in traced, done.stderr
    assert not leaks(traced)


def test_an_error_is_said_without_the_secret_that_it_speaks_of(
    agora: Agora, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://agora:canary-password-1@127.0.0.1:1/agora")
    said = agora("stats", "--json")
    assert said.code == 2 and "canary-password-1" not in said.out + said.err
    said = agora("explain", SHAPED, "--json")
    assert SHAPED not in said.out + said.err


def repeating(messages: Sequence[Any]) -> str:
    """Repeat all that was ever said."""
    return " ".join(str(message.get("content")) for message in messages)


async def everything(served: Served) -> dict[str, str]:
    """Return every page that a link leads to, from the first one on, as it was sent."""
    found: dict[str, str] = {}
    waiting = ["/", "/capabilities"]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path] = (await served.client.get(path)).text
            waiting += re.findall(r'href="(/[^"#?]*)"', found[path])
    return found


async def test_no_secret_stands_on_a_page_or_in_a_training_set(
    hire: Hire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = {"openai.api_key": SETTING, "openai.base_url": "http://127.0.0.1:9/v1"}
    staff = hire(repeating, **secret)
    workspace = str(repository(tmp_path / "w", FILES))
    text = f"Which key does the harbour use? Mine is {SHAPED}, and {SETTING}."
    await staff.ask(text, id="canary", workspace=workspace)
    async with serving(monkeypatch) as served:
        shown = await everything(served)
    assert len(shown) > 8 and "harbour" in shown["/tasks/canary"]
    assert not {path: found for path, html in shown.items() if (found := leaks(html))}
    # What came in past all that redacts, by an older version or by hand, does not get out either.
    raw = " and ".join(CANARIES)
    await ask(
        staff.team,
        "UPDATE works SET is_right = true, answer = answer || %s RETURNING 1",
        f" The harbour uses {raw}.",
    )
    folder = tmp_path / "set"
    told = await staff.team.distilling.export(folder, "default", None, lambda said: None)
    written = "".join(path.read_text("utf-8") for path in folder.iterdir())
    assert told["train"] + told["validation"] == 1 and "The harbour uses" in written
    assert not leaks(written)
