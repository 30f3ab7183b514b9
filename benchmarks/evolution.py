"""Whether prompts get better by themselves, and never worse unnoticed.

`python benchmarks/evolution.py [--json] [--seed N] [--toys N] [--kills N]`: takes about ten minutes
(streams one, each toy one, the rest two) and needs nothing but the repository. Four parts:

streams   20,000 simulated experts, trials and promoted prompts of known truth, decided by the
          product's own functions, beside the naive rule that each replaces;
toy       a toy extraction task end to end: the task graph records it, the watch rings, the
          architect rewrites, a trial beside the incumbent proves, production moves. Student and
          architect are deterministic and answer over HTTP;
kills     promotions and rollbacks killed at random instants: the channels are as before or after;
export    10,000 runs with 500 planted secrets become a training set.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

import agora.team  # noqa: E402
from agora.domain.contracts import Json  # noqa: E402
from agora.domain.settings import Settings, load  # noqa: E402
from agora.team import Team  # noqa: E402
from benchmarks import evolution_export, evolution_loop, evolution_streams  # noqa: E402
from memory.database import EmbeddedPostgres  # noqa: E402
from tests.promoting_crash import EXPERT, candidate, kill_at, killer  # noqa: E402

TOYS, KILLS, ROLLBACKS = 5, 200, 200
REACH: dict[str, tuple[str, float]] = {
    "false_promotion_equal": ("<=", 0.05),
    "false_promotion_worse_15": ("<=", 0.005),
    "promoted_better_20": (">=", 0.95),
    "mean_pairs_better_20": ("<=", 60),
    "drop_caught": (">=", 0.99),
    "drop_delay": ("<=", 30),
    "false_alarm": ("<=", 0.01),
    "regression_missed": ("<=", 0.05),
    "toy_mean": (">=", 0.90),
    "toy_worst": (">=", 0.80),
    "toy_calls": ("<=", 650),
    "rollback_p99_ms": ("<", 50),
    "torn": ("<=", 0),
    "export_s": ("<=", 60),
    "secrets_leaked": ("<=", 0),
}
NAIVE = {
    "false_promotion_equal": "naive_promotion_equal",
    "false_promotion_worse_15": "naive_promotion_worse_15",
    "drop_delay": "drop_delay_naive",
    "false_alarm": "false_alarm_naive",
    "regression_missed": "regression_missed_naive",
    "toy_mean": "toy_one_rewrite",
}


def streams(seed: int) -> Json:
    """Return what the product decides on streams of known truth."""
    begun, dice = time.perf_counter(), np.random.default_rng(seed)
    found: Json = dict(evolution_streams.detection(dice))
    promoted, rates = evolution_streams.promotion(dice)
    found |= promoted | evolution_streams.regression(dice, rates)
    return found | {"streams_s": round(time.perf_counter() - begun, 1)}


def toys(seed: int, count: int) -> Json:
    """Return how good the toy's expert becomes, over some seeds."""
    begun, runs = time.perf_counter(), []
    for number in range(count):

        def tell(said: str, number: int = number) -> None:
            seconds = time.perf_counter() - begun
            print(f"{seconds:6.0f} s  toy {number}: {said}", flush=True)

        runs.append(asyncio.run(evolution_loop.run(f"{seed}.{number}", tell)))
        one = runs[-1]
        said = f"{one['before']:.2f} -> {one['after']:.2f}, {one['calls']} student calls"
        print(f"toy {number}: {said}, {one['pairs']} pairs: {one['status']}", flush=True)
    scores = [one["after"] for one in runs]
    return {
        "toy_before": sum(one["before"] for one in runs) / count,
        "toy_mean": sum(scores) / count,
        "toy_worst": min(scores),
        "toy_calls": max(one["calls"] for one in runs),
        "toy_one_rewrite": sum(one["one_rewrite"] or 0.0 for one in runs) / count,
        "toy_s": round(time.perf_counter() - begun, 1),
    }


@asynccontextmanager
async def alone() -> AsyncIterator[tuple[Team, Settings, Path]]:
    """Yield a team on a database of its own."""
    with tempfile.TemporaryDirectory(prefix="agora-evolution-") as folder:
        postgres = EmbeddedPostgres(Path(folder, "postgres"))
        named: Json = {"database.url": await postgres.url(), "home": folder}
        settings = load({}, **named, **{"distil.teachers": ("*",)})
        team = agora.team.assemble(settings)
        agora.team.current = lambda: team
        await team.prompting.refresh()
        yield team, settings, Path(folder)
        await team.close()
        await postgres.stop()


async def moves(seed: int, kills: int) -> Json:
    """Return how long rollbacks take, and what kills have torn."""
    dice = random.Random(seed)
    async with alone() as (team, settings, _):
        version, took, promoting = await candidate(team), [], []
        for number in range(ROLLBACKS):
            begun = time.perf_counter()
            await team.promoting.promote(f"timed-{number}", EXPERT, version, "it has won", {})
            promoting.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            await team.promoting.rollback(EXPERT, "it has failed")
            took.append(time.perf_counter() - begun)
        longest, torn = 1.2 * float(np.median(promoting)), 0
        with killer(settings) as killing:
            for number in range(kills // 2):
                shares = [dice.uniform(0, longest) for _ in range(2)]
                torn += await kill_at(team, killing, f"killed-{number}", version, shares)
    return {
        "rollback_p50_ms": round(1000 * float(np.quantile(took, 0.5)), 1),
        "rollback_p99_ms": round(1000 * float(np.quantile(took, 0.99)), 1),
        "kills": 2 * (kills // 2),
        "torn": torn,
    }


async def export(seed: int) -> Json:
    """Return how an export of many runs goes."""
    async with alone() as (team, _, folder):
        return await evolution_export.measure(team, folder / "set", seed)


def holds(name: str, value: Any) -> bool:
    """Return whether a figure is within its reach."""
    sign, limit = REACH[name]
    return bool(
        value <= limit if sign == "<=" else value < limit if sign == "<" else value >= limit
    )


def show(found: Json) -> None:
    """Print a table: figure, reach, and what the naive rule gives."""
    print(f"{'figure':26} {'measured':>10} {'reach':>10} {'naive':>10}")
    for name, (sign, limit) in REACH.items():
        if name in found:
            naive = found.get(NAIVE.get(name, ""))
            beside = "" if naive is None else f"{naive:.4g}"
            mark = "" if holds(name, found[name]) else "  MISSED"
            print(f"{name:26} {found[name]:>10.4g} {sign + f' {limit:g}':>10} {beside:>10}{mark}")


def main() -> int:
    """Measure, print a table, and say by the exit code whether all is within reach."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--toys", type=int, default=TOYS, help="seeds of the toy; 0: none")
    parser.add_argument("--kills", type=int, default=KILLS, help="0: neither kills nor export")
    given = parser.parse_args()
    found = streams(given.seed)
    show(found)
    if given.kills:
        found |= asyncio.run(moves(given.seed, given.kills))
        found |= asyncio.run(export(given.seed))
    if given.toys:
        found |= toys(given.seed, given.toys)
    show(found)
    if given.json:
        print(json.dumps(found))
    return 0 if all(holds(name, found[name]) for name in REACH if name in found) else 1


if __name__ == "__main__":
    sys.exit(main())
