"""Knowledge freshness: how long what has happened takes to be in a pulse.

`python benchmarks/freshness.py [--json] [--seed N] [--every S] [--events N]`: a worker's pulses run
beside another process's events, on a real PostgreSQL and with an instant model. First events
come one by one at random moments, and what is counted is their age, in intervals, when the first
pulse holds them; then they come in bursts as large as the threshold. The interval is shortened to
seconds; the one that is shipped is 300.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
import agora.team
from agora.domain import difficulty
from agora.domain.settings import load
from agora.team import Team
from benchmarks.overhead import MODEL, database, instant_model  # noqa: E402  found by the line above

EVERY_S, EVENTS, THRESHOLD, BURSTS = 3.0, 30, 20, 5
LAG, BURST_S = 1.0, 5.0
"""What is promised: one interval, and seconds after the threshold is passed."""
LOOK_S = 0.02
SLACK_S = 0.5
"""For looking, and for the moment in which the pulse is made, on an interval of seconds."""
HELD = "SELECT jsonb_array_elements(sources->'events')::bigint AS id FROM pulses"
AUTHORS = "SELECT count(*) AS made, count(*) FILTER (WHERE author <> 'events') AS n FROM pulses"
LAST = "SELECT max(id) AS id FROM events WHERE correlation_id = %s"


async def publish(team: Team, name: str) -> int:
    """Tell the stream of one outcome as a task does; return the event's id."""
    judged: dict[str, Any] = {"bidder": f"generalist@{MODEL}", "domain": "general", "right": True}
    judged |= {"tokens_out": 20, "latency_s": 0.1, "cost_usd": 0.0, "is_probe": False}
    judged |= {"traits": difficulty.traits(name), "value_usd": 0.01, "second_usd": 0.00003}
    judged |= {"second_score": None, "fault": None, "opens_breaker": False, "labels": []}
    judged |= {"at_s": time.time(), "about": name}
    await team.stream.publish(name, "outcome.judged", judged)
    async with team.database.autocommit() as connection:
        row = await (await connection.execute(LAST, [name])).fetchone()
    assert row
    return int(row["id"])


async def until_held(team: Team, ids: dict[int, float], limit_s: float) -> dict[int, float]:
    """Wait until pulses hold all these events; return how long each took since its moment."""
    lags: dict[int, float] = {}
    async with asyncio.timeout(limit_s):
        while len(lags) < len(ids):
            async with team.database.autocommit() as connection:
                rows = await (await connection.execute(HELD)).fetchall()
            now = time.monotonic()
            held = {int(row["id"]) for row in rows}
            lags |= {id: now - at for id, at in ids.items() if id in held and id not in lags}
            await asyncio.sleep(LOOK_S)
    return lags


async def trickle(team: Team, count: int, every_s: float, chance: random.Random) -> list[float]:
    """Return the lags in seconds of events at random moments, each looked for as it comes."""
    looking = []
    for number in range(count):
        await asyncio.sleep(chance.uniform(0, every_s / 3))
        id = await publish(team, f"event {number}")
        wanted = {id: time.monotonic()}
        looking.append(asyncio.create_task(until_held(team, wanted, 10 * every_s)))
    return [lag for lags in await asyncio.gather(*looking) for lag in lags.values()]


async def bursts(team: Team, count: int) -> list[float]:
    """Return the seconds from the last event of each burst to the pulse that holds it."""
    lags: list[float] = []
    # A worker that begins sums up whatever is there; only then it counts.
    await until_held(team, {await publish(team, "first"): time.monotonic()}, 60)
    for burst in range(count):
        for number in range(THRESHOLD):
            id = await publish(team, f"burst {burst} event {number}")
        lags += (await until_held(team, {id: time.monotonic()}, 60)).values()
    return lags


def assembled(url: str, home: str, model_url: str, every_s: float) -> Team:
    """Return a team; both of this benchmark are as two processes would be."""
    named: dict[str, Any] = {"database.url": url, "home": home, "ollama.host": model_url}
    named |= {"pulse.every_s": every_s, "pulse.after_events": THRESHOLD}
    return agora.team.assemble(load({}, **named))


async def main(every_s: float, count: int, seed: int) -> dict[str, float]:
    """Measure both, each with pulses of its own."""
    with instant_model() as model_url, tempfile.TemporaryDirectory() as home:
        async with database() as url:
            told = assembled(url, home, model_url, every_s)
            lags = await beside_pulses(
                assembled(url, home, model_url, every_s),
                trickle(told, count, every_s, random.Random(seed)),
            )
            bursting = await beside_pulses(
                assembled(url, home, model_url, 3600.0), bursts(told, BURSTS)
            )
            async with told.database.autocommit() as connection:
                row = await (await connection.execute(AUTHORS)).fetchone()
            await told.close()
    assert row
    return {
        "lag_max_intervals": round(max(lags) / every_s, 3),
        "lag_median_intervals": round(median(lags) / every_s, 3),
        "burst_max_s": round(max(bursting), 3),
        "burst_median_s": round(median(bursting), 3),
        "events": len(lags) + THRESHOLD * len(bursting),
        "pulses": row["made"],
        "by_model": row["n"],
        "every_s": every_s,
    }


async def beside_pulses(worker: Team, measuring: Any) -> list[float]:
    """Measure while a worker makes its pulses."""
    pulsing = asyncio.create_task(worker.pulsing.run())
    try:
        lags: list[float] = await measuring
    finally:
        pulsing.cancel()
        await asyncio.wait({pulsing})
        await worker.close()
    return lags


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=float, default=EVERY_S, help="the interval in seconds")
    parser.add_argument("--events", type=int, default=EVENTS)
    chosen = parser.parse_args()
    found = asyncio.run(main(chosen.every, chosen.events, chosen.seed))
    allowed = LAG + SLACK_S / chosen.every
    print(f"{'from the event to a pulse':32}{'median':>10}{'worst':>10}{'promised':>12}")
    print(
        f"{'one by one, in intervals':32}{found['lag_median_intervals']:>10.2f}"
        f"{found['lag_max_intervals']:>10.2f}{f'≤ {LAG:.0f}':>12}"
    )
    print(
        f"{'at the threshold, in seconds':32}{found['burst_median_s']:>10.2f}"
        f"{found['burst_max_s']:>10.2f}{f'≤ {BURST_S:.0f}':>12}"
    )
    if chosen.json:
        print(json.dumps(found))
    kept = found["lag_max_intervals"] <= allowed and found["burst_max_s"] <= BURST_S
    sys.exit(0 if kept else 1)
