"""One server with a token, as programs meet it: the SDK, MCP, probes, the smoke checks."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from tests.conftest import database, repository, sh
from tests.improving import FILES, MENDED
from tests.model_server import ModelServer
from tests.needs import JAVASCRIPT
from tests.reading import ROOT
from tests.running import plainly
from tests.serving import AGORA, Server, ending, environment, new_server

TOKEN = "a token of this test"
README = "# Prices\n\nPrices are kept in prices.py. Nobody else keeps prices.\n"


@pytest.fixture(scope="module")
def models() -> Iterator[ModelServer]:
    with ModelServer(plainly, models=("qwen3:8b",)) as served:
        yield served


@pytest.fixture(scope="module")
def served(
    server: str, models: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    env = environment(database(server), folder, OLLAMA_HOST=models.url, AGORA_TOKEN=TOKEN)
    one = new_server(folder, env)
    one.token = TOKEN
    with ending(one):
        one.start()
        yield one


def get(url: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.get(url, headers=headers, timeout=60)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return repository(tmp_path / "workspace", FILES | {"README.md": README})


def test_nobody_comes_in_without_the_token_and_no_other_sites_page_with_it(served: Server) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        assert get(served.url + path).status_code == 200
    for path in ("/", "/info", "/healthz", "/threads", "/openapi.json", "/mcp"):
        assert get(served.url + path).status_code == 401, path
    assert get(served.url + "/info", headers={"x-api-key": "another"}).status_code == 401
    assert get(served.url + "/info", headers={"x-api-key": TOKEN}).status_code == 200
    foreign = {"Authorization": f"Bearer {TOKEN}", "Origin": "https://elsewhere.example"}
    assert get(served.url + "/info", headers=foreign).status_code == 403
    studio = foreign | {"Origin": "https://smith.langchain.com"}
    assert get(served.url + "/info", headers=studio).status_code == 200


def test_probes_and_metrics_tell_how_it_stands(served: Server) -> None:
    told = get(served.url + "/healthz", headers={"x-api-key": TOKEN})
    assert told.headers["content-type"].startswith("application/health+json")
    assert told.json()["checks"]["store:postgresql"][0]["status"] == "pass"
    lines = get(served.url + "/metrics").text.splitlines()
    names = {re.split(r"[ {]", line)[0] for line in lines if not line.startswith("#")}
    assert names and all(name.startswith("agora_") for name in names)


def test_what_studio_draws_and_asks_for_is_offered(served: Server) -> None:
    offered = {one["graph_id"]: one["assistant_id"] for one in served.client.assistants.search()}
    assert set(offered) == {"task", "improvement", "war_room"}
    drawn: Any = served.client.assistants.get_graph(offered["task"])
    assert {"intake", "bidding", "war_room"} <= {node["id"] for node in drawn["nodes"]}
    assert any(edge["conditional"] for edge in drawn["edges"] if "conditional" in edge)
    schemas: Any = served.client.assistants.get_schemas(offered["task"])
    task = schemas["input_schema"]["properties"]["task"]
    assert {"text", "urgency", "budget_usd"} <= task["properties"].keys()
    context = schemas["context_schema"]["properties"]
    assert {one["langgraph_type"] for one in context.values()} == {"prompt"}
    order: Any = served.client.assistants.get_schemas(offered["improvement"])
    assert "workspace" in order["input_schema"]["properties"]["task"]["required"]


def test_an_assistants_wording_reaches_the_model(served: Server, models: ModelServer) -> None:
    offered = {one["graph_id"]: one["assistant_id"] for one in served.client.assistants.search()}
    schemas: Any = served.client.assistants.get_schemas(offered["task"])
    prompts = dict.fromkeys(schemas["context_schema"]["properties"], "You answer in Latin.")
    assistant = served.client.assistants.create("task", context=prompts, name="latin")
    thread = served.client.threads.create()
    asked = {"task": {"text": "How much is six times seven, in words?"}}
    served.client.runs.wait(thread["thread_id"], assistant["assistant_id"], input=asked)
    assert "You answer in Latin." in models.last.prompt


def test_a_turn_of_a_conversation_is_answered_and_streamed(served: Server) -> None:
    thread = served.client.threads.create()
    said: Any = {"messages": [{"role": "user", "content": "How much is six times seven?"}]}
    parts = list(served.client.runs.stream(thread["thread_id"], "task", input=said))
    assert parts[0].event == "metadata"
    (value,) = [part.data for part in parts if part.event == "values"][-1:]
    assert value["messages"][-1]["content"] == "forty-two"


def example(language: str, served: Server) -> str:
    """Return what the README shows, with the address of this server."""
    found = re.search(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found
    return found[1].replace("http://127.0.0.1:8123", served.url)


def run(folder: Path, *command: str | Path) -> str:
    """Return what a program prints that has the token from its environment."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    env |= {"LANGGRAPH_API_KEY": TOKEN, "AGORA_TOKEN": TOKEN}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.needs("bubblewrap")
def test_the_example_in_python_repairs_a_workspace(served: Server, workspace: Path) -> None:
    program = example("python", served).replace("/path/to/tool", str(workspace))
    printed = run(workspace.parent, sys.executable, "-c", program)
    assert "price * count" in printed and "fixed" in printed
    assert sh(workspace, "git", "rev-parse", "HEAD") in printed
    assert (workspace / "prices.py").read_text() == MENDED


@pytest.mark.needs("nodejs", "javascript-sdk")
def test_the_example_in_javascript_gets_an_answer(served: Server, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(JAVASCRIPT / "node_modules")
    (tmp_path / "example.mjs").write_text(example("javascript", served))
    assert run(tmp_path, "node", "example.mjs").strip() == "answered forty-two"


async def test_another_agent_hands_tasks_over_by_mcp(served: Server, workspace: Path) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        httpx.AsyncClient(headers=headers, timeout=60) as caller,
        streamable_http_client(f"{served.url}/mcp", http_client=caller) as (reading, writing, _),
        ClientSession(reading, writing) as session,
    ):
        await session.initialize()
        offered = {tool.name for tool in (await session.list_tools()).tools}
        assert offered == {"ask", "fix", "status", "approvals"}
        asked = {"text": "Where are prices kept?", "workspace": str(workspace)}
        told = await _call(session, "ask", **asked)
        assert (told["status"], told["answer"]) == ("answered", "forty-two")
        assert (await _call(session, "status", thread_id=told["thread_id"]))["status"] == "done"
        refused = await session.call_tool("fix", {"workspace": str(workspace / "nowhere")})
        assert refused.isError


async def _call(session: ClientSession, name: str, **arguments: Any) -> Any:
    done = await session.call_tool(name, arguments)
    assert not done.isError, done.content
    return json.loads(done.content[0].text)  # type: ignore[union-attr]


def test_the_smoke_checks_pass_and_tell_the_confidence(served: Server, tmp_path: Path) -> None:
    told = json.loads(run(tmp_path, AGORA, "smoke", served.url, "--json").splitlines()[-1])
    assert told["deployment_confidence"] == 1.0, told
    assert {"ready", "closed", "task", "working", "callable"} <= {c["name"] for c in told["checks"]}
