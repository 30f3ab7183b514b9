"""What capabilities cost a task while they do nothing: all switched off, against all dormant.

`python benchmarks/capabilities.py [--json] [--seed N] [--pairs N]`: about five minutes. One cold
task with an instant model runs through Agora's task graph, by a team whose settings switch every
capability off, by one where every capability is dormant, and by one as shipped, interleaved in
random order, each on a database of its own; figures are medians after a warm-up. Then the tests of
the core run with everything off.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import psycopg  # noqa: E402

import agora.team  # noqa: E402
from agora.app import selftest  # noqa: E402
from agora.domain.contracts import Json  # noqa: E402
from agora.domain.phases import CAPABILITIES  # noqa: E402
from agora.domain.settings import load  # noqa: E402
from agora.team import Team  # noqa: E402
from benchmarks.overhead import database, instant_model, thread  # noqa: E402
from graphs.task import graph as task_graph  # noqa: E402
from memory.checkpoints import open_saver  # noqa: E402

PAIRS, WARM_UP = 100, 8
MOST = 1.02
"""How much longer a task may take with everything dormant than with everything off."""
WAYS = ("off", "dormant", "shipped")


async def seconds(app: Any, team: Team, name: str) -> float:
    """Return how long one cold task takes."""
    agora.team.current = lambda: team
    asked = {"task": {"text": f"Which number follows {name}? Reply with exactly: the next one"}}
    begun = time.perf_counter()
    done = await app.ainvoke(asked, thread(name), durability="sync")
    taken = time.perf_counter() - begun
    assert done["outcome"]["status"] == "answered" and not done["outcome"]["cached"]
    return taken


async def measure(teams: dict[str, Team], apps: dict[str, Any], pairs: int, seed: int) -> Json:
    """Return the medians in milliseconds, and their ratio."""
    chance = random.Random(seed)
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(WARM_UP + pairs):
        for way in chance.sample(WAYS, len(WAYS)):
            taken = await seconds(apps[way], teams[way], f"{seed}-{number}-{way}")
            if number >= WARM_UP:
                times[way].append(1000 * taken)
    ratios = [dormant / off for dormant, off in zip(times["dormant"], times["off"], strict=True)]
    return {
        "ratio_dormant": round(median(times["dormant"]) / median(times["off"]), 4),
        "ratio_of_pairs": round(median(ratios), 4),
        **{f"{way}_ms": round(median(taken), 2) for way, taken in times.items()},
        "pairs": pairs,
    }


async def main(pairs: int, seed: int) -> Json:
    """Set up everything once, and measure."""
    async with AsyncExitStack() as stack:
        model_url = stack.enter_context(instant_model())
        home = stack.enter_context(tempfile.TemporaryDirectory())
        server = await stack.enter_async_context(database())
        teams, apps = {}, {}
        for way in WAYS:
            url = _own(server, way)
            named: Json = {"database.url": url, "home": f"{home}/{way}", "ollama.host": model_url}
            named |= {f"capabilities.{one}": way != "off" for one in CAPABILITIES}
            team = agora.team.assemble(load({}, **named))
            await team.database.url()
            stack.push_async_callback(team.close)
            saver = await stack.enter_async_context(open_saver(url))
            teams[way], apps[way] = team, task_graph.compile(checkpointer=saver)
        for name in CAPABILITIES:
            await teams["dormant"].capabilities.deactivate(name, "measured", "operator")
        found = await measure(teams, apps, pairs, seed)
    core = await selftest.tested(selftest.CORE, off=list(CAPABILITIES))
    return found | {"core_passes": core}


def _own(server: str, way: str) -> str:
    """Return the URL of a new database, so that none finds what another has left."""
    name = f"capabilities_{way}_{random.SystemRandom().randrange(10**9)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    parts = psycopg.conninfo.conninfo_to_dict(server) | {"dbname": name}
    return f"postgresql://?{'&'.join(f'{key}={value}' for key, value in parts.items())}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    chosen = parser.parse_args()
    found = asyncio.run(main(chosen.pairs, chosen.seed))
    for way in WAYS:
        print(f"{way:<10}{found[f'{way}_ms']:>9.1f} ms")
    print(f"dormant takes {found['ratio_dormant']:.3f} times as long as off (≤ {MOST})")
    print(f"the core's tests pass with everything off: {found['core_passes']}")
    if chosen.json:
        print(json.dumps(found))
    sys.exit(0 if found["ratio_dormant"] <= MOST and found["core_passes"] else 1)
