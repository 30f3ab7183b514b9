"""What a plan gains and costs: ten independent subtasks at once, and a simple task beside none.

`python benchmarks/parallel.py [--json] [--seed N] [--runs N]`: takes about two minutes. Both parts
run Agora's task graph with a real PostgreSQL and a model that answers after one second. A task
that lists ten parts is done with as many lanes as plans have shown to be worth it (two plans before
the measured ones, which begin with three), and by a team that may use one lane. A simple task is
done by planning as it comes, and by the same graph without that stage's choice (`split=False`),
interleaved in random order. Figures are medians.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import agora.team  # noqa: E402
from agora.domain.contracts import Json  # noqa: E402
from agora.domain.settings import load  # noqa: E402
from benchmarks.overhead import MODEL, database, thread  # noqa: E402
from graphs.task import graph as task_graph  # noqa: E402
from memory.checkpoints import open_saver  # noqa: E402
from tests.model_server import ModelServer  # noqa: E402

SUBTASKS, MODEL_S, RUNS, WARM_UP = 10, 1.0, 3, 2
FASTER, DEARER = 5.0, 0.05
"""How many times faster is promised, and which share a simple task may lose."""


@contextmanager
def slow_model() -> Iterator[ModelServer]:
    """Serve a model whose answer takes a second, however many ask at once."""
    with ModelServer(lambda messages: "done", models=(MODEL,), first_token_s=MODEL_S) as server:
        yield server


def many(name: str) -> Json:
    """Return a task of ten parts that nobody has asked before."""
    items = "\n".join(f"{n}. Tell what number {n} of {name} is" for n in range(1, SUBTASKS + 1))
    return {"text": f"Tell each of these:\n{items}", "split": True}


class Bench:
    """Two teams on one database: one with lanes, one with a single lane."""

    def __init__(self, saver: Any, teams: Json) -> None:
        self.graph: Any = task_graph.compile(checkpointer=saver)
        self.teams = teams
        self.count = 0

    async def seconds(self, team: str, task: Json) -> float:
        """Return how long a task takes; raise AssertionError where it was not answered whole."""
        agora.team.current = lambda: self.teams[team]
        self.count += 1
        begun = time.perf_counter()
        done = await self.graph.ainvoke(
            {"task": task}, thread(f"run-{self.count}"), durability="sync"
        )
        taken = time.perf_counter() - begun
        outcome = done["outcome"]
        assert outcome["status"] == "answered" and not outcome["error"], outcome
        return taken


async def measure(bench: Bench, runs: int, seed: int) -> Json:
    """Return the figures."""
    chance = random.Random(seed)
    at_once, in_turn, planned, plain = (list[float]() for _ in range(4))
    for number in range(WARM_UP):
        await bench.seconds("lanes", many(f"warm-up {seed} {number}"))
    for number in range(runs):
        at_once.append(await bench.seconds("lanes", many(f"row {seed} {number}")))
    in_turn.append(await bench.seconds("lane", many(f"line {seed}")))
    for number in range(4 * runs):
        wanted = [(planned, None), (plain, False)]
        chance.shuffle(wanted)
        for kept, split in wanted:
            text = f"What is the number {number} of {split} {seed}?"
            kept.append(await bench.seconds("lanes", {"text": text, "split": split}))
    lost = median(planned) / median(plain) - 1
    return {
        "speedup": round(median(in_turn) / median(at_once), 2),
        "parallel_s": round(median(at_once), 2),
        "sequential_s": round(median(in_turn), 2),
        "subtasks": SUBTASKS,
        "simple_loss": round(lost, 4),
        "simple_planned_s": round(median(planned), 3),
        "simple_plain_s": round(median(plain), 3),
    }


async def main(runs: int, seed: int) -> Json:
    """Set up everything once, and measure."""
    with slow_model() as server, tempfile.TemporaryDirectory() as home:
        async with database() as url, open_saver(url) as saver:
            named: Json = {"database.url": url, "home": home, "ollama.host": server.url}
            named |= {"ollama.models": (MODEL,), "auction.second_usd": 0.0}
            # All questions here look alike, and a judge would take its second for each.
            named |= {"memory.judge_pairs": 0}
            one = {"plan.at_once": 1, "plan.most_at_once": 1}
            teams = {
                "lanes": agora.team.assemble(load({}, **named)),
                "lane": agora.team.assemble(load({}, **named, **one)),
            }
            await teams["lanes"].database.url()
            figures = await measure(Bench(saver, teams), runs, seed)
            for team in teams.values():
                await team.close()
    return figures


def show(figures: Json) -> None:
    """Print a table."""
    print(f"{SUBTASKS} subtasks of {MODEL_S:g} s: {figures['parallel_s']:.2f} s at once,", end=" ")
    print(f"{figures['sequential_s']:.2f} s in turn: {figures['speedup']:.1f} times (≥ {FASTER:g})")
    print(f"a simple task: {figures['simple_planned_s']:.3f} s with planning,", end=" ")
    print(f"{figures['simple_plain_s']:.3f} s without:", end=" ")
    print(f"{100 * figures['simple_loss']:+.1f} % (≤ {100 * DEARER:g} %)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=int, default=RUNS)
    chosen = parser.parse_args()
    found = asyncio.run(main(chosen.runs, chosen.seed))
    show(found)
    if chosen.json:
        print(json.dumps(found))
    sys.exit(0 if found["speedup"] >= FASTER and found["simple_loss"] <= DEARER else 1)
