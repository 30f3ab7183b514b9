"""A local model that becomes five times slower for a while: its share of the tasks, by its weight.

Replayed outcomes and the product's auction; only the seconds of the slow model's calls change.
"""

from collections.abc import Sequence
from itertools import cycle, islice
from statistics import mean

from agora.domain import standings
from agora.domain.contracts import Json
from benchmarks.routing_replay import Market, Replay, Row, calibrated, event, shuffled

SLOWER = 5.0
USUAL, SLOW = 500, 500
"""Tasks at its usual pace, and at the slow one."""
GRADED = 500
NOTICED, BACK = 50, 500
"""Tasks within which it must have lost its share, and have it back."""


def slowed(market: Market, rows: Sequence[Row], seed: int) -> Json:
    """Return the share of the local model that wins most: its usual one, while slow, and after.

    `slow` begins 50 tasks after the change, `back` is that of the 100 tasks up to the 500th. No
    outcome is judged, so that nothing but speed is learned meanwhile: shares of experts who are
    nearly equal drift by themselves, by half and more.
    """
    mixed = shuffled(rows, seed)
    state, tasks = calibrated(mixed[:GRADED], market.models), mixed[GRADED:]
    favourite = _local_favourite(market, state, tasks[:USUAL])
    won = []
    for at, row in enumerate(islice(cycle(tasks), USUAL + SLOW + BACK)):
        model, held = market.hold(state, row)
        won.append(model == favourite)
        if model is None:
            continue
        outcome = event(row, model, right=None, is_probe=held.is_probe)
        if model == favourite and USUAL <= at < USUAL + SLOW:
            outcome["latency_s"] *= SLOWER
        state = standings.step(state, outcome)
    return {
        "model": favourite.name,
        "usual": mean(won[:USUAL]),
        "slow": mean(won[USUAL + NOTICED : USUAL + SLOW]),
        "back": mean(won[-100:]),
        "weight": standings.health(state, favourite.bidder),
    }


def _local_favourite(market: Market, state: Json, rows: Sequence[Row]) -> Replay:
    won = [market.hold(state, row)[0] for row in rows]
    return max((one for one in market.models if one.is_local), key=won.count)


def left_alone(market: Market, rows: Sequence[Row], seed: int) -> float:
    """Return the share of tasks that a slow model keeps where it is the only one that may bid."""
    mixed = shuffled(rows, seed)[: GRADED + SLOW]
    state = calibrated(mixed[:GRADED], market.models)
    only = _local_favourite(market, state, mixed[GRADED:])
    others = {one.name: {"barred": ("private",)} for one in market.models if one != only}
    won = []
    for row in mixed[GRADED:]:
        model, _ = market.hold(state, row, others)
        won.append(model == only)
        slow = event(row, only) | {"latency_s": SLOWER * only.service_s(row.tokens[only.name])}
        state = standings.step(state, slow)
    return mean(won)
