"""What Agora adds to a bare graph: one task with an instant model, cold and served from memory.

`python benchmarks/overhead.py [--json] [--seed N] [--pairs N]`: beside Agora's task graph runs a
bare LangGraph graph with as many nodes as Agora passes on a cold task. One of its nodes asks the
same model over the same client; saver, database and durability ("sync") are the same. The runs
are interleaved in random order, the figures are medians after a warm-up. The database is the one
in DATABASE_URL, else an embedded one in a temporary folder.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any, TypedDict

import langchain_ollama
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph

import agora.team
from agora.domain.settings import load
from agora.team import Team
from graphs.task import graph as task_graph
from memory.checkpoints import open_saver
from memory.database import EmbeddedPostgres

ROOT = Path(__file__).parent.parent
MODEL = "qwen3:8b"
NODES = ("intake", "pulse", "recall", "planning", "bidding", "execution", "reflection")
"""What Agora passes on a cold task; the bare graph asks its model in the sixth."""
WARM_UP, PAIRS = 5, 40
COLD, REPEAT = 2.5, 1.0
"""The ratios to a bare run that are promised."""

Run = Callable[[str], Awaitable[str]]


class BareState(TypedDict, total=False):
    """State of the bare graph: as a beginner would write it."""

    question: str
    answer: str
    steps: int


@dataclass
class Times:
    """How long the runs took, in milliseconds."""

    bare: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    repeat: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Return medians, and their ratios to the bare graph's."""
        bare, cold, repeat = median(self.bare), median(self.cold), median(self.repeat)
        return {
            "ratio_cold": round(cold / bare, 3),
            "ratio_repeat": round(repeat / bare, 3),
            "bare_ms": round(bare, 2),
            "agora_ms": round(cold, 2),
            "repeat_ms": round(repeat, 2),
            "pairs": len(self.bare),
        }


def bare_graph(url: str) -> Any:
    """Return a graph that counts its steps and asks the model in one of them."""
    model = langchain_ollama.ChatOllama(model=MODEL, base_url=url, num_ctx=4096)

    async def passing(state: BareState) -> BareState:
        return {"steps": state.get("steps", 0) + 1}

    async def asking(state: BareState) -> BareState:
        reply = await model.ainvoke([("user", state["question"])])
        return {"answer": str(reply.content)}

    builder = StateGraph(BareState)
    for name in NODES:
        builder.add_node(name, asking if name == "execution" else passing)
    for before, after in zip((START, *NODES), NODES, strict=False):
        builder.add_edge(before, after)
    return builder


@contextmanager
def instant_model() -> Iterator[str]:
    """Yield the URL of a model server that answers at once, in a process of its own."""
    command = [sys.executable, "-m", "tests.model_server", "--models", MODEL]
    options: dict[str, Any] = {"cwd": ROOT, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **options) as server:
        assert server.stdin and server.stdout
        yield server.stdout.readline().strip()
        server.stdin.close()


@asynccontextmanager
async def database() -> AsyncIterator[str]:
    """Yield the URL of a PostgreSQL server."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="agora-overhead-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres")
        yield await postgres.url()
        await postgres.stop()


@asynccontextmanager
async def assembled(url: str, model_url: str, home: str) -> AsyncIterator[Team]:
    """Make a team that every stage of this process finds."""
    named = {"database.url": url, "home": home, "ollama.host": model_url}
    team = agora.team.assemble(load({}, **named))
    agora.team.current = lambda: team
    await team.database.url()
    yield team
    await team.close()


def thread(name: str) -> RunnableConfig:
    """Return the configuration of a run."""
    return {"configurable": {"thread_id": name}}


def runs(saver: Any, model_url: str) -> tuple[Run, Run]:
    """Return how a question is asked: of the bare graph, and of Agora."""
    bare: Any = bare_graph(model_url).compile(checkpointer=saver)
    full: Any = task_graph.compile(checkpointer=saver)

    async def ask_bare(name: str) -> str:
        asked = {"question": _question(name)}
        return str((await bare.ainvoke(asked, thread(f"bare-{name}"), durability="sync"))["answer"])

    async def ask_agora(name: str) -> str:
        asked = {"task": {"text": _question(name.removesuffix("-again"))}}
        done = await full.ainvoke(asked, thread(f"agora-{name}"), durability="sync")
        assert done["outcome"]["cached"] == name.endswith("-again"), done["outcome"]
        return str(done["outcome"]["answer"])

    return ask_bare, ask_agora


def _question(name: str) -> str:
    return f"Which number follows {name}? Reply with exactly: the next one"


async def measure(ask_bare: Run, ask_agora: Run, pairs: int, seed: int) -> Times:
    """Run everything `pairs` times, interleaved in random order."""
    times, chance = Times(), random.Random(seed)
    for number in range(WARM_UP + pairs):
        name = f"{seed}{number:04d}"
        wanted = [(times.bare, ask_bare, name), (times.cold, ask_agora, name)]
        chance.shuffle(wanted)
        for kept, ask, asked in (*wanted, (times.repeat, ask_agora, f"{name}-again")):
            begun = time.perf_counter()
            assert await ask(asked)
            if number >= WARM_UP:
                kept.append(1000 * (time.perf_counter() - begun))
    return times


def show(times: Times, figures: dict[str, float]) -> None:
    """Print a table."""
    print(f"{'':24}{'median ms':>10}{'p90 ms':>10}{'ratio':>8}{'promised':>10}")
    rows = (
        ("bare LangGraph graph", times.bare, 1.0, ""),
        ("Agora, cold", times.cold, figures["ratio_cold"], f"≤ {COLD}"),
        ("Agora, from memory", times.repeat, figures["ratio_repeat"], f"≤ {REPEAT}"),
    )
    for name, taken, ratio, promised in rows:
        p90 = quantiles(taken, n=10)[-1]
        print(f"{name:24}{median(taken):>10.1f}{p90:>10.1f}{ratio:>8.2f}{promised:>10}")


async def main(pairs: int, seed: int) -> Times:
    """Set up everything once, and measure."""
    with instant_model() as model_url, tempfile.TemporaryDirectory() as home:
        async with database() as url, assembled(url, model_url, home), open_saver(url) as saver:
            return await measure(*runs(saver, model_url), pairs, seed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    chosen = parser.parse_args()
    found = asyncio.run(main(chosen.pairs, chosen.seed))
    show(found, found.figures())
    if chosen.json:
        print(json.dumps(found.figures()))
    kept = found.figures()["ratio_cold"] <= COLD and found.figures()["ratio_repeat"] <= REPEAT
    sys.exit(0 if kept else 1)
