"""Standings: what outcomes say of bidders, as a fold over judged outcomes into plain JSON.

A table of domain × bidder, each cell shrunk to the bidder's own mean (Efron and Morris, "Data
analysis using Stein's estimator", JASA 70, 1975). An expert whose outcomes fall behind what the
table says is forgotten but for the outcomes since then: a CUSUM on (predicted − outcome).

An event: bidder (`Bid.name`), domain, right (None where nobody judged), tokens_out, latency_s (of
the call), cost_usd; and where they apply value_usd, second_usd, second_score, claimed_p, is_probe,
is_graded (calibration: not bid for), fault (its name), opens_breaker, at_s.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Any

from agora.domain import breakers
from agora.domain.contracts import Json

Event = Mapping[str, Any]

PRIOR_P, PRIOR_TASKS = 0.6, 2.0
"""What is thought of a bidder of which nothing is known, and how many tasks that is worth."""
SHRINK, SHRINK_TOKENS = 30.0, 8.0
"""Tasks that a bidder's own mean is worth in a cell: of success, of tokens."""
BUILT_IN_FLOOR = 0.01
"""Chance that a built-in expert is right outside of its domain."""

FALL_SLACK, FALL_ALARM = 0.15, 6.0
RISE_SLACK, RISE_ALARM = 0.10, 3.0
WATCH_SHRINK = 8.0
"""The same as SHRINK for the watch, which must not take a domain that is new for a fall."""
PROBE_EVERY = 50
"""A bidder that rests is tried on one task in so many."""
TRAIL = 400
"""At most so many outcomes are kept for the case that all others are forgotten."""

CREDIT = 10.0
"""Credit at the start, in values of a right answer."""
PAROLE, REDEMPTION, REDEMPTION_SLACK = 5.0, 3.0, 0.15
"""Credit of one that came back; the sum of honest probes that it takes."""


def empty() -> Json:
    """Return standings before the first outcome."""
    return {"tasks": 0, "bidders": {}, "servers": {}}


def step(state: Json, event: Event) -> Json:
    """Return the standings after one more outcome; the given ones stay as they are."""
    name, tasks = event["bidder"], state["tasks"] + (not event.get("is_graded"))
    record = record_of(state, name) | {"last_task": tasks}
    if event.get("right") is not None:
        record = _judged(record, event)
    server = breakers.step(state["servers"].get(breakers.server_of(name)), event)
    return {
        "tasks": tasks,
        "bidders": state["bidders"] | {name: record},
        "servers": state["servers"] | {breakers.server_of(name): server},
    }


def record_of(state: Json, bidder: str) -> Json:
    """Return what is kept of a bidder; of a stranger, the start."""
    return state["bidders"].get(bidder) or {
        "right": 0,
        "wrong": 0,
        "tokens": 0,
        "graded": 0,
        "cells": {},
        "credit": CREDIT,
        "redemption": 0.0,
        "sum": 0.0,
        "trail": [],
        "is_fallen": False,
        "last_task": state["tasks"],
    }


def _judged(record: Json, event: Event) -> Json:
    surprise = _surprise(record, event["domain"], event["right"])
    counted = _counted(record, event["domain"], bool(event["right"]), event.get("tokens_out", 0))
    if event.get("is_graded"):
        return counted | {"graded": record["graded"] + 1}
    return _watched(_settled(counted, event), event, surprise)


def _counted(record: Json, domain: str, right: bool, tokens: int) -> Json:
    cell = record["cells"].get(domain) or {"right": 0, "wrong": 0, "tokens": 0}
    return (
        record
        | _plus(record, right, tokens)
        | {"cells": record["cells"] | {domain: _plus(cell, right, tokens)}}
    )


def _plus(counts: Json, right: bool, tokens: int) -> Json:
    return {
        "right": counts["right"] + right,
        "wrong": counts["wrong"] + (not right),
        "tokens": counts["tokens"] + tokens,
    }


# --- drift -----------------------------------------------------------------------------------


def _surprise(record: Json, domain: str, right: bool) -> float:
    """Return predicted − outcome, for what was known of the cell: a new domain is no fall."""
    cell = record["cells"].get(domain) or {"right": 0, "wrong": 0}
    n = cell["right"] + cell["wrong"]
    own = (record["right"] + PRIOR_P * PRIOR_TASKS) / (
        record["right"] + record["wrong"] + PRIOR_TASKS
    )
    predicted = (cell["right"] + WATCH_SHRINK * own) / (n + WATCH_SHRINK)
    trust = 1.0 if record["is_fallen"] else n / (n + WATCH_SHRINK)
    return float((predicted - right) * trust)


def _watched(record: Json, event: Event, surprise: float) -> Json:
    """Follow the sum of surprises: downwards while all is well, upwards after a fall."""
    fallen = record["is_fallen"]
    change = -surprise - RISE_SLACK if fallen else surprise - FALL_SLACK
    total = max(0.0, record["sum"] + change)
    seen = [event["domain"], int(event["right"]), event.get("tokens_out", 0)]
    trail = [*record["trail"], seen][-TRAIL:] if total else []
    if total < (RISE_ALARM if fallen else FALL_ALARM):
        return record | {"sum": total, "trail": trail}
    return _forgotten(record, trail) | {"is_fallen": not fallen}


def _forgotten(record: Json, trail: list[list[Any]]) -> Json:
    """Keep nothing but the outcomes since the sum left zero."""
    clean = {"right": 0, "wrong": 0, "tokens": 0, "graded": 0, "cells": {}, "sum": 0.0, "trail": []}
    record = record | clean
    for domain, right, tokens in trail:
        record = _counted(record, domain, bool(right), tokens)
    return record


# --- settlement ------------------------------------------------------------------------------


def _settled(record: Json, event: Event) -> Json:
    """Pay a winner its outcome less its cost, its time and the second score, in values.

    One whose claims were too high runs out of credit, and earns it back by honest probes.
    """
    claimed = event.get("claimed_p")
    if is_spent(record):
        shortfall = (claimed or 0.0) - event["right"]
        redemption = max(0.0, record["redemption"] - shortfall + REDEMPTION_SLACK)
        back = redemption >= REDEMPTION
        return record | (
            {"credit": PAROLE, "redemption": 0.0} if back else {"redemption": redemption}
        )
    if event.get("is_probe") or not event.get("value_usd"):
        return record
    earned = record["credit"] + _earned_usd(event) / event["value_usd"]
    return record | {"credit": earned if claimed is not None else max(earned, PAROLE)}


def _earned_usd(event: Event) -> float:
    waited = event.get("second_usd", 0.0) * event.get("latency_s", 0.0)
    spent = event.get("cost_usd", 0.0) + waited + max(0.0, event.get("second_score") or 0.0)
    return float(event["value_usd"] * event["right"] - spent)


def is_spent(record: Json) -> bool:
    """Return whether a bidder has claimed more than it could do, until its credit was gone."""
    return bool(record["credit"] <= 0)


# --- what the auction asks -------------------------------------------------------------------


def p_success(
    state: Json, bidder: str, mix: Mapping[str, float], overlap: float = 0.5
) -> tuple[float, float]:
    """Return (posterior mean of success, how many tasks it rests on) for a mix of domains.

    `overlap` of the bidder's domains with the task's, in [0, 1], moves what is thought before
    there are outcomes in the domain. A built-in expert (no `@` in its name) is good for nothing
    outside of its domains.
    """
    return _success(record_of(state, bidder), mix, overlap, is_built_in="@" not in bidder)


def _success(
    record: Json, mix: Mapping[str, float], overlap: float = 0.5, is_built_in: bool = False
) -> tuple[float, float]:
    right, total = record["right"], record["right"] + record["wrong"]
    own = (right + PRIOR_P * PRIOR_TASKS) / (total + PRIOR_TASKS)
    if is_built_in:
        own = max(BUILT_IN_FLOOR, own * overlap)
    else:
        own = own + (overlap - 0.5) * 0.2 * own * (1 - own) * 4
    q = n = 0.0
    for domain, weight in mix.items():
        cell = record["cells"].get(domain)
        a, b = (cell["right"], cell["wrong"]) if cell else (0, 0)
        q += weight * (a + SHRINK * own) / (a + b + SHRINK)
        n += weight * (a + b + min(SHRINK, total + PRIOR_TASKS - a - b))
    return q, max(n, PRIOR_TASKS)


def optimism(q: float, n: float, exploration: float) -> float:
    """Return the success that is bid with: the mean plus `exploration` standard errors, ≤ 1."""
    return min(1.0, q + exploration * sqrt(q * (1 - q) / n))


def exploration(state: Json, bidder: str) -> float:
    """Return how many standard errors of hope a bidder gets: 1 at first, .5 later, 0 if graded."""
    if record_of(state, bidder)["graded"] >= PROBE_EVERY:
        return 0.0
    return 1.0 if state["tasks"] < 1000 else 0.5


def expected_tokens(
    state: Json, bidder: str, mix: Mapping[str, float], default: float = 300.0
) -> float:
    """Return how many tokens an answer will have, from the table that `p_success` reads."""
    record = record_of(state, bidder)
    total = record["right"] + record["wrong"]
    own = (record["tokens"] + default * PRIOR_TASKS) / (total + PRIOR_TASKS)
    expected = 0.0
    for domain, weight in mix.items():
        cell = record["cells"].get(domain)
        n, tokens = (cell["right"] + cell["wrong"], cell["tokens"]) if cell else (0, 0)
        expected += weight * (tokens + SHRINK_TOKENS * own) / (n + SHRINK_TOKENS)
    return expected


def expected_latency(state: Json, bidder: str, declared_s: float) -> float:
    """Return how many seconds its server takes now, or what the catalogue says of a new one."""
    return breakers.latency_s(state["servers"].get(breakers.server_of(bidder)), declared_s)


def health(state: Json, bidder: str) -> float:
    """Return the weight of its server in (0, 1]: 1 when it is as quick and sound as usual."""
    return breakers.health(state["servers"].get(breakers.server_of(bidder)))


def breaker(state: Json, bidder: str, now_s: float | None = None) -> breakers.Breaker:
    """Return whether its server may be asked: closed, open, or half_open for one try."""
    return breakers.breaker(state["servers"].get(breakers.server_of(bidder)), now_s)


def resting(state: Json, bidder: str, now_s: float | None = None) -> tuple[str, ...]:
    """Return why a bidder should not win now, in words; () when it may.

    None of it may leave a task without any expert: the auction overrules it for the last one.
    """
    record, server = record_of(state, bidder), state["servers"].get(breakers.server_of(bidder))
    reasons = []
    if is_spent(record):
        reasons.append(f"claimed more than it could do; on trial with 1 task in {PROBE_EVERY}")
    if breakers.breaker(server, now_s) == "open":
        reasons.append(breakers.why_open(server))
    return tuple(reasons)


def is_probe_due(state: Json, bidder: str) -> bool:
    """Return whether a bidder that lost its share should be tried on this task."""
    record, server = record_of(state, bidder), state["servers"].get(breakers.server_of(bidder))
    if not (record["is_fallen"] or is_spent(record) or breakers.health(server) < 0.5):
        return False
    return bool(state["tasks"] - record["last_task"] >= PROBE_EVERY)
