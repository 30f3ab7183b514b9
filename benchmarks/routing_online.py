"""A stream of tasks where only the winner's outcome is seen: cold, drifting, lied to, in bursts."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from heapq import heapreplace
from statistics import mean, quantiles

from agora.domain import drift, standings
from agora.domain.contracts import Json
from benchmarks.routing_replay import Market, Replay, Row, calibrated, event, shuffled

TASKS = 3000
FALL_AT, RISE_AT, END_AT = 500, 1500, 2500
BOAST = 0.3
"""What a liar adds to its claimed success."""


def stream(rows: Sequence[Row], seed: int, graded: int = 0) -> tuple[list[Row], list[Row]]:
    """Return `graded` rows to learn from, and 3,000 others, some of them twice where too few."""
    mixed = shuffled(rows, seed)
    fresh = mixed[graded:]
    return mixed[:graded], (fresh + shuffled(fresh, seed + 1000))[:TASKS]


def learning(market: Market, rows: Sequence[Row], seed: int, graded: int = 0) -> Json:
    """Return the gain over the best fixed expert in the last 1,000 tasks, and the regret in all.

    Both in right answers; the best fixed expert is the best of all rows, known to nobody.
    """
    price, best = 1 / market.value_musd, market.best_fixed(rows)
    first, tasks = stream(rows, seed, graded)
    state, gains = calibrated(first, market.models), []
    for row in tasks:
        model, _ = market.hold(state, row)
        if model is not None:
            state = standings.step(state, event(row, model))
        gains.append(row.utility(model, price) - row.utility(best, price))
    return {"last": mean(gains[-1000:]), "regret": -sum(gains)}


@contextmanager
def unwatched() -> Iterator[None]:
    """Switch the watch for drift off, to see what it costs."""
    kept, drift.FALL_ALARM = drift.FALL_ALARM, float("inf")
    try:
        yield
    finally:
        drift.FALL_ALARM = kept


def drifting(market: Market, rows: Sequence[Row], seed: int) -> Json:
    """Return how many tasks a collapsed favourite keeps and a recovered one lacks its share."""
    first, tasks = stream(rows, seed, graded=500)
    state, dice, won = calibrated(first, market.models), random.Random(seed), list[str]()
    favourite = _favourite(market, state, tasks[:FALL_AT])
    for at, row in enumerate(tasks[:END_AT]):
        model, held = market.hold(state, row)
        won.append(model.name if model else "")
        if model is None:
            continue
        outcome = event(row, model, is_probe=held.is_probe)
        if model == favourite and FALL_AT <= at < RISE_AT and dice.random() < 0.85:
            outcome["right"] = False
        state = standings.step(state, outcome)
    is_its = [name == favourite.name for name in won]
    before = mean(is_its[:FALL_AT])
    return {
        "noticed": _first(is_its[FALL_AT:RISE_AT], 50, lambda share: share < 0.1),
        "recovered": _first(is_its[RISE_AT:], 100, lambda share: share >= 0.8 * before),
    }


def _favourite(market: Market, state: Json, rows: Sequence[Row]) -> Replay:
    won = [market.hold(state, row)[0] for row in rows]
    return max(market.models, key=won.count)


def _first(is_its: Sequence[bool], window: int, holds: Callable[[float], bool]) -> int:
    """Return after how many tasks the share of the last `window` first holds; all, if never."""
    for at in range(window, len(is_its) + 1):
        if holds(mean(is_its[at - window : at])):
            return at
    return len(is_its)


def watching_cost(market: Market, rows: Sequence[Row], seed: int) -> float:
    """Return what the watch loses per task while nothing drifts, in right answers."""
    watched = learning(market, rows, seed, graded=500)["regret"]
    with unwatched():
        return float(watched - learning(market, rows, seed, graded=500)["regret"]) / TASKS


def claiming(
    market: Market, rows: Sequence[Row], seed: int, liar: Replay | None, settles: bool = True
) -> Json:
    """Return utility per task, and the liar's share, when all bid with claims of their own.

    Each claims what standings say of it; the liar adds .3.
    """
    first, tasks = stream(rows, seed, graded=500)
    state, price = calibrated(first, market.models), 1 / market.value_musd
    gains, lied = [], 0
    for row in tasks:
        claims = {one.name: _claim(state, row, one, one == liar) for one in market.models}
        model, held = market.hold(
            state, row, {name: {"claimed_p": p} for name, p in claims.items()}
        )
        gains.append(row.utility(model, price))
        if model is None or held.award is None:
            continue
        lied += model == liar
        paid = {
            "claimed_p": claims[model.name],
            "value_usd": market.value_usd if settles else 0.0,
            "second_score": held.award.runner_up,
            "is_probe": held.is_probe,
        }
        state = standings.step(state, event(row, model, **paid))
    return {"utility": mean(gains), "share": lied / len(tasks), "state": state}


def _claim(state: Json, row: Row, model: Replay, is_liar: bool) -> float:
    p, _ = standings.p_success(state, model.bidder, {row.domain: 1.0}, ease=row.ease(state))
    return min(1.0, p + BOAST * is_liar)


def lying(market: Market, rows: Sequence[Row], seed: int) -> Json:
    """Return what settlement recovers of a liar's damage, and what it costs honest bidders."""
    honest = claiming(market, rows, seed, None, settles=False)["utility"]
    settled = claiming(market, rows, seed, None)["utility"]
    lost, recovered, shares = [], [], []
    for liar in market.models:
        free = claiming(market, rows, seed, liar, settles=False)
        tamed = claiming(market, rows, seed, liar)
        lost.append(honest - free["utility"])
        recovered.append(tamed["utility"] - free["utility"])
        shares.append(free["share"])
    return {
        "recovered": sum(recovered) / sum(lost),
        "honest_cost": honest - settled,
        "worst_share": max(shares),
    }


def bursts(market: Market, rows: Sequence[Row], seed: int, sees_queue: bool = True) -> Json:
    """Return p95 of the seconds from task to answer, and accuracy, under bursts of tasks.

    One minute in ten brings two tasks a second, the rest one in twenty seconds.
    """
    first, tasks = stream(rows, seed, graded=1000)
    state, dice, now_s = calibrated(first, market.models), random.Random(seed), 0.0
    free_at = {one.name: [0.0] * one.slots for one in market.models}  # heaps: when slots are free
    took_s, right = [], []
    for row in tasks:
        now_s += dice.expovariate(2.0 if now_s % 600 < 60 else 0.05)
        waits = {name: max(0.0, slots[0] - now_s) * sees_queue for name, slots in free_at.items()}
        model, _ = market.hold(state, row, {name: {"queue_s": s} for name, s in waits.items()})
        if model is None:
            right.append(False)
            continue
        begin_s = max(now_s, free_at[model.name][0])
        end_s = begin_s + model.service_s(row.tokens[model.name])
        heapreplace(free_at[model.name], end_s)
        took_s.append(end_s - now_s)
        right.append(row.right[model.name])
        state = standings.step(state, event(row, model))
    return {"p95_s": quantiles(took_s, n=20)[-1], "accuracy": mean(right)}
