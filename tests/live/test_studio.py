"""Studio's own server, driven as a user's program would."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client

from tests.conftest import repository, sh
from tests.improving import APPROVE, FILES, MENDED, decided
from tests.model_server import ModelServer
from tests.reading import ROOT
from tests.running import plainly
from tests.serving import START_S, free_port, until

SHOWN = ("agora", "config", "graphs", "langgraph.json", "memory", "nodes", "prompts", "web")
README = "# Prices\n\nPrices are kept in prices.py. Nobody else keeps prices.\n"
STAGES = {
    "task": {"intake", "bidding", "execution", "war_room", "reflection"},
    "war_room": {"seats", "vote", "ruling"},
    "improvement": {"detecting", "testing", "approval", "deploying", "monitoring"},
}


@pytest.fixture
def models() -> Iterator[ModelServer]:
    with ModelServer(plainly, models=("qwen3:8b",)) as served:
        yield served


@pytest.fixture
def address(url: str, models: ModelServer, tmp_path: Path) -> Iterator[str]:
    """Start the server in a folder of its own, because it keeps its files where it stands."""
    stand = tmp_path / "stand"
    stand.mkdir()
    for name in SHOWN:
        (stand / name).symlink_to(ROOT / name)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [Path(sys.executable).with_name("langgraph"), "dev", "--no-browser", "--no-reload"]
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "AGORA_HOME": str(tmp_path / "home"),
        "DATABASE_URL": url,
        "OLLAMA_HOST": models.url,
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        "LANGGRAPH_STRICT_MSGPACK": "true",
    }
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(
            [*map(str, command), "--port", str(port), "--n-jobs-per-worker", "4"],
            cwd=stand,
            env=env,
            stdout=log,
            stderr=log,
        )
        try:
            _await_server(server, address, tmp_path / "server.log")
            yield address
        finally:
            server.kill()  # how it ends in good order is its own affair, and takes half a minute
            server.wait()


def _await_server(server: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    def is_up() -> bool:
        assert server.poll() is None, log.read_text()[-3000:]
        try:
            return httpx.get(f"{address}/ok", timeout=30).status_code == 200
        except httpx.TransportError:
            return False

    until(is_up, START_S, log.read_text)


async def _offered(client: Any) -> dict[str, str]:
    return {one["graph_id"]: one["assistant_id"] for one in await client.assistants.search()}


@pytest.mark.needs("bubblewrap")
async def test_studio_offers_the_graphs_answers_a_task_and_deploys_an_approved_change(
    address: str, models: ModelServer, tmp_path: Path
) -> None:
    async with get_client(url=address) as studio:
        await _offers_all_graphs(studio)
        root = repository(tmp_path / "workspace", FILES | {"README.md": README})
        asked = {"text": "Where are prices kept?", "workspace": str(root)}
        assert await _answer(studio, **asked) == "forty-two"
        assert "kept in prices.py" in models.last.prompt
        await _deploys(studio, root)
    assert not (ROOT / ".langgraph_api").exists()


async def _offers_all_graphs(studio: Any) -> None:
    offered = await _offered(studio)
    assert set(offered) == set(STAGES)
    for graph, stages in STAGES.items():
        drawn = await studio.assistants.get_graph(offered[graph])
        assert stages <= {node["id"] for node in drawn["nodes"]} and drawn["edges"]
        schemas = await studio.assistants.get_schemas(offered[graph])
        assert "task" in schemas["input_schema"]["properties"], graph


async def _answer(studio: Any, **task: Any) -> str:
    thread = await studio.threads.create()
    done = await studio.runs.wait(thread["thread_id"], "task", input={"task": task})
    return str(done["outcome"]["answer"])


async def _deploys(studio: Any, root: Path) -> None:
    thread = await studio.threads.create()
    order = {"task": {"workspace": str(root), "test": "pytest -q", "timeout_s": 20}}
    await studio.runs.wait(thread["thread_id"], "improvement", input=order, durability="sync")
    (waiting,) = await studio.threads.search(status="interrupted")
    (interrupts,) = waiting["interrupts"].values()
    (action,) = interrupts[0]["value"]["action_requests"]
    assert waiting["thread_id"] == thread["thread_id"]
    assert "price * count" in action["args"]["diff"]
    assert sh(root, "git", "rev-list", "--count", "HEAD") == "1"

    yes = {"resume": decided(APPROVE)}
    done = await studio.runs.wait(
        thread["thread_id"], "improvement", command=yes, durability="sync"
    )
    assert done["status"] == "fixed" and (root / "prices.py").read_text() == MENDED
    assert sh(root, "git", "rev-parse", "HEAD") == done["commit"]
