"""Standings: what outcomes say of bidders, as a fold over judged outcomes into plain JSON.

An event: bidder (`Bid.name`), domain, right (None where nobody judged), tokens_out, latency_s (of
the call), cost_usd; and where they apply value_usd, second_usd, second_score, claimed_p, is_probe,
is_graded (calibration: not bid for), traits (of the task's text), fault (its name),
opens_breaker, at_s (when, in seconds).
"""

from collections.abc import Mapping
from math import sqrt
from typing import Any

from agora.domain import breakers, credit, difficulty, drift, table
from agora.domain.contracts import Json

Event = Mapping[str, Any]

CORRECTED = "outcome.corrected"
"""The kind of an event that turns an outcome: bidder, domain, and what is right now."""
WEIGHED = "server.weighed"
"""The kind of an event by which healing changes a server's share: server, weight, held."""
PROBE_EVERY = 50
"""A bidder that fell, or whose server is sick, is tried on one task in so many."""
SOUND = 0.9
"""Health from which a server needs no probes: with less it may lose all tasks for good."""
GRADED_TASKS = 50
"""So many graded outcomes of a bidder make hope needless."""
EXPLORING_TASKS = 1000
"""After so many tasks in which a bidder has been known there is less hope."""
NEW: Json = table.NEW | {"graded": 0, "since": 0, "last_task": 0} | drift.NEW | credit.NEW


def empty() -> Json:
    """Return standings before the first outcome."""
    return {"tasks": 0, "bidders": {}, "servers": {}, "difficulty": difficulty.NEW}


def step(state: Json, event: Event) -> Json:
    """Return the standings after one more outcome; the given ones stay as they are."""
    if event.get("kind") == CORRECTED:
        return _corrected(state, event)
    if event.get("kind") == WEIGHED:
        return weighed(state, event)
    name, tasks = event["bidder"], state["tasks"] + (not event.get("is_graded"))
    record, server = _record(state, name), breakers.server_of(name)
    if name not in state["bidders"]:
        record = record | {"since": tasks}
    if event.get("right") is not None:
        record = _judged(record, event, tasks)
    return {
        "tasks": tasks,
        "bidders": state["bidders"] | {name: record | {"last_task": tasks}},
        "servers": state["servers"] | {server: breakers.step(_server(state, name), event)},
        "difficulty": _learned(state, event),
    }


def weighed(state: Json, event: Event) -> Json:
    """Return the standings after healing has given a server another weight, or held it open."""
    name = event["server"]
    server = breakers.weighed(state["servers"].get(name), event)
    return state | {"servers": state["servers"] | {name: server}}


def ailing(state: Json, model: str) -> Json:
    """Return what is wrong with a model: is_slow, is_failing and is_fallen (its answers)."""
    known: Json | None = state["servers"].get(model)
    ours = [name for name in state["bidders"] if breakers.server_of(name) == model]
    return {
        "is_slow": breakers.is_slow(known),
        "is_failing": bool(known and breakers.has_tripped(known | {"held": ""})),
        "is_fallen": breakers.is_lying(known) or any(tally(state, name)[2] for name in ours),
    }


def _corrected(state: Json, event: Event) -> Json:
    """Return the standings after an outcome that counts already was judged otherwise."""
    name = event["bidder"]
    record = table.turned(_record(state, name), event["domain"], event["right"])
    return state | {"bidders": state["bidders"] | {name: record}}


def _record(state: Json, bidder: str) -> Json:
    found: Json = state["bidders"].get(bidder, NEW)
    return found if len(found) == len(NEW) else NEW | found  # an older version kept less


def _server(state: Json, bidder: str) -> Json | None:
    found: Json | None = state["servers"].get(breakers.server_of(bidder))
    return found


def _judged(record: Json, event: Event, tasks: int) -> Json:
    outcome = (event["domain"], bool(event["right"]), event.get("tokens_out", 0))
    surprise = drift.surprise(record, *outcome[:2])
    counted = table.counted(record, *outcome)
    if event.get("is_graded"):
        return counted | {"graded": record["graded"] + 1}
    watched = drift.watched(credit.settled(counted, event), surprise, outcome)
    if watched["is_fallen"] == record["is_fallen"]:
        return watched
    return watched | {"graded": 0, "since": tasks}


def _learned(state: Json, event: Event) -> Json:
    model: Json = state["difficulty"]
    if event.get("right") is None or not event.get("traits"):
        return model
    predicted, _ = p_success(state, event["bidder"], {event["domain"]: 1.0})
    return difficulty.step(model, event["traits"], predicted, event["right"])


def tally(state: Json, bidder: str) -> tuple[int, int, bool]:
    """Return (right answers, judged answers, whether its success has fallen)."""
    record = _record(state, bidder)
    return record["right"], record["right"] + record["wrong"], record["is_fallen"]


# What the auction asks.


def p_success(
    state: Json,
    bidder: str,
    mix: table.Mix,
    overlap: float = 0.5,
    ease: float = 0.0,
) -> tuple[float, float]:
    """Return (posterior mean of success, how many tasks it rests on) for a mix of domains.

    `overlap` of the bidder's domains with the task's is in [0, 1]; `ease` of the text, in logits,
    makes the task easier for all bidders alike. A built-in expert has no `@` in its name.
    """
    q, n = table.success(_record(state, bidder), mix, overlap, "@" not in bidder)
    return (difficulty.adjusted(q, ease) if ease else q), n


def optimism(q: float, n: float, exploration: float) -> float:
    """Return the success that is bid with: the mean plus `exploration` standard errors, ≤ 1.

    The error is that of a mean of one half: after an unlucky start its own would look too small.
    """
    return min(1.0, q + exploration * 0.5 / sqrt(n))


def exploration(state: Json, bidder: str) -> float:
    """Return how many standard errors of hope a bidder gets: 1.5 while it is new, later .5.

    None after grading, nor after a fall, when probes take its place.
    """
    record = _record(state, bidder)
    if record["graded"] >= GRADED_TASKS or record["is_fallen"]:
        return 0.0
    is_new = bidder not in state["bidders"] or state["tasks"] - record["since"] < EXPLORING_TASKS
    return 1.5 if is_new else 0.5


def expected_tokens(state: Json, bidder: str, mix: table.Mix, default: float = 200.0) -> float:
    """Return how many tokens an answer will have, from the table that `p_success` reads."""
    return table.length(_record(state, bidder), mix, default)


def expected_latency(state: Json, bidder: str, tokens: float, declared_s: float) -> float:
    """Return the seconds of an answer as its server is now; as declared where it is new."""
    return breakers.latency_s(_server(state, bidder), tokens, declared_s)


def is_timed(state: Json, bidder: str) -> bool:
    """Return whether its server has ever answered: else its pace is a guess."""
    return bool((_server(state, bidder) or breakers.NEW)["recent"])


def health(state: Json, bidder: str) -> float:
    """Return the weight of its server in (0, 1]: 1 when it is as quick and sound as usual."""
    return breakers.health(_server(state, bidder))


def server(state: Json, model: str, now_s: float | None = None) -> Json:
    """Return what people want to know of a model's server: breaker, health, why it rests."""
    known: Json | None = state["servers"].get(model)
    return {
        "breaker": breakers.breaker(known, now_s),
        "health": breakers.health(known),
        "why": breakers.why_open(known),
    }


def is_believed(state: Json, bidder: str) -> bool:
    """Return whether a bidder may bid with a claim of its own: not when it has boasted."""
    return not credit.is_spent(_record(state, bidder))


def breaker(state: Json, bidder: str, now_s: float | None = None) -> breakers.Breaker:
    """Return whether its server may be asked: closed, open, or half_open for one try."""
    return breakers.breaker(_server(state, bidder), now_s)


def resting(state: Json, bidder: str, now_s: float | None = None) -> tuple[str, ...]:
    """Return why a bidder should not win now, in words; () when it may.

    None of it may leave a task without any expert: the auction overrules it for the last one.
    """
    is_open = breaker(state, bidder, now_s) == "open"
    return (breakers.why_open(_server(state, bidder)),) if is_open else ()


def is_probe_due(state: Json, bidder: str) -> bool:
    """Return whether a bidder that lost its share should be tried on this task."""
    record = _record(state, bidder)
    rested = state["tasks"] - record["last_task"]
    if rested < PROBE_EVERY:
        return False
    return bool(record["is_fallen"] or health(state, bidder) < SOUND)
