"""What an auction takes: all bids for one task and the award, beside an empty LangGraph node.

`python benchmarks/bidding.py [--json] [--seed N] [--tasks N]`: 10 and 100 bidders that have bid
before, on a real PostgreSQL (DATABASE_URL, else an embedded one), every budget with a cap; the
empty node runs in a graph of its own with the same saver. Interleaved; medians after a warm-up.
Takes ten seconds.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any, TypedDict

from langgraph.graph import START, StateGraph

sys.path.insert(0, str(Path(__file__).parents[1]))

import agora.team  # noqa: E402  found by the line above
from agora.domain.contracts import AgentTask  # noqa: E402
from agora.domain.settings import load  # noqa: E402
from agora.team import Team  # noqa: E402
from benchmarks.overhead import database, thread  # noqa: E402
from memory import events  # noqa: E402
from memory.checkpoints import open_saver  # noqa: E402

SIZES = (10, 100)
REACH_MS = {10: 2.0, 100: 10.0}
OUTCOMES, WARM_UP, TASKS = 500, 20, 200
DOMAINS = ("law", "finance", "mathematics", "software", "general")


class EmptyState(TypedDict, total=False):
    """State of the empty graph."""

    n: int


async def nothing(state: EmptyState) -> EmptyState:
    """Do nothing."""
    return {}


async def with_history(team: Team, seed: int) -> None:
    """Tell the stream of outcomes of all bidders."""
    dice = random.Random(seed)
    names = [one.name for one in await team.market.bidders() if one.model]
    async with team.database.transaction() as connection:
        for _ in range(OUTCOMES):
            judged: dict[str, Any] = {"bidder": dice.choice(names), "domain": dice.choice(DOMAINS)}
            judged |= {"right": dice.random() < 0.7, "tokens_out": dice.randrange(20, 400)}
            judged |= {"latency_s": dice.uniform(0.2, 5.0)}
            await events.publish(connection, "history", "outcome.judged", judged)


def assembled(url: str, home: str, bidders: int) -> Team:
    """Make a team of so many bidders: four experts on each model, and the two built in."""
    models = tuple(f"model-{n}:8b" for n in range(round((bidders - 2) / 4)))
    caps = {"budget.day_tokens": 10**12, "budget.task_tokens": 10**9}
    return agora.team.assemble(
        load({}, **{"database.url": url, "home": home, "ollama.models": models} | caps)
    )


async def main(seed: int, tasks: int) -> dict[str, Any]:
    """Measure both sizes and the empty node, turn by turn."""
    times: dict[Any, list[float]] = {"empty": [], **{size: [] for size in SIZES}}
    with tempfile.TemporaryDirectory() as home:
        async with database() as url, open_saver(url) as saver:
            empty = StateGraph(EmptyState).add_node(nothing).add_edge(START, "nothing")
            graph: Any = empty.compile(checkpointer=saver)
            teams = {size: assembled(url, home, size) for size in SIZES}
            await teams[SIZES[0]].database.url()
            for team in teams.values():
                await with_history(team, seed)
            for number in range(WARM_UP + tasks):
                text = f"Is clause {seed}-{number} of the contract a risk for the bank?"
                begun = time.perf_counter()
                await graph.ainvoke({"n": number}, thread(f"empty-{number}"), durability="sync")
                times["empty"].append(1000 * (time.perf_counter() - begun))
                for size, team in teams.items():
                    times[size].append(await held_ms(team, text, number))
            bidders = {size: len(await team.market.bidders()) for size, team in teams.items()}
            for team in teams.values():
                await team.close()
    kept = {name: taken[WARM_UP:] for name, taken in times.items()}
    show(kept, bidders)
    found: dict[str, Any] = {f"bidding_{size}_ms": median(kept[size]) for size in SIZES}
    found |= {f"p95_{size}_ms": quantiles(kept[size], n=20)[-1] for size in SIZES}
    return found | {"empty_node_ms": median(kept["empty"]), "bidders": list(bidders.values())}


async def held_ms(team: Team, text: str, number: int) -> float:
    """Return the milliseconds of one auction."""
    task = AgentTask(id=f"task-{number}", text=text)
    begun = time.perf_counter()
    sold = await team.market.hold(task, {"mix": team.market.mix(task)}, [])
    took_ms = 1000 * (time.perf_counter() - begun)
    assert sold.auction.award is not None
    return took_ms


def show(times: Mapping[Any, Sequence[float]], bidders: dict[int, int]) -> None:
    """Print a table."""
    print(f"{'':24}{'median ms':>10}{'p95 ms':>10}{'promised':>10}")
    for name, taken in times.items():
        said = "empty LangGraph node" if name == "empty" else f"auction, {bidders[name]} bidders"
        reach = f"≤ {REACH_MS[name]:g}" if name in REACH_MS else ""
        print(f"{said:24}{median(taken):>10.2f}{quantiles(taken, n=20)[-1]:>10.2f}{reach:>10}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tasks", type=int, default=TASKS)
    chosen = parser.parse_args()
    measured = asyncio.run(main(chosen.seed, chosen.tasks))
    if chosen.json:
        print(json.dumps(measured))
    sys.exit(0 if all(measured[f"bidding_{n}_ms"] <= REACH_MS[n] for n in SIZES) else 1)
