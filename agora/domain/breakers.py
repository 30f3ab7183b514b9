"""Servers of models, as calls show them: how quick, how sound, and whether to ask at all.

A circuit breaker (Nygard, "Release It!", 2007) and a health weight, kept per model: all experts
on one model share its server.
"""

from collections.abc import Mapping
from math import exp, log
from typing import Any, Literal

from agora.domain.contracts import Json

Breaker = Literal["closed", "open", "half_open"]

START_TOKENS = 50
"""As many tokens could be written until the first one comes: a server's pace is seconds a token."""
RECENT = 5
"""Paces of so many calls tell how quick a server is now: one slow call changes nothing."""
USUAL_RATE = 0.01
"""How fast what is usual follows what is seen, per call."""
TOLERANCE = 1.5
"""So many times the usual pace costs no weight yet."""
WINDOW = 20
"""Calls that the share of faults is taken from."""
OPEN_AFTER = 3
"""Faults in a row that open the breaker; one that only a person can mend opens it at once."""
REST_S, LONGEST_REST_S = 30.0, 960.0
"""Seconds until an open breaker lets one call try, doubled with each further fault, up to …"""
ANSWERS, MUCH = 12, 0.45
"""A model lies whose last so many answers are right less often than usual by so much."""
LEAST_HEALTH = 0.01
NEW: Json = {
    "recent": [],
    "usual": None,
    "faults": [],
    "row": 0,  # faults since the last answer
    "fault": "",
    "fault_at_s": None,
    "is_final": False,
    "rights": [],  # of its last judged answers, whichever expert gave them
    "usual_right": None,
    "weight": 1.0,  # what healing leaves of its health
    "held": "",  # why healing holds its breaker open
}


def server_of(bidder: str) -> str:
    """Return the server behind a bidder's name: the model's, or the built-in expert's own."""
    return bidder[bidder.find("@") + 1 :] or bidder


def step(server: Json | None, event: Mapping[str, Any]) -> Json:
    """Return what is known of a server after one more call."""
    server = server or NEW
    fault = event.get("fault")
    faults = [*server["faults"], int(bool(fault))][-WINDOW:]
    if fault:
        said = {"fault": fault, "fault_at_s": event.get("at_s"), "row": server["row"] + 1}
        return server | said | {"faults": faults, "is_final": bool(event.get("opens_breaker"))}
    answered = server | {"faults": faults, "row": 0, "fault": "", "is_final": False}
    answered |= _judged(server, event.get("right"))
    pace = event.get("latency_s", 0.0) / (START_TOKENS + event.get("tokens_out", 0))
    return _paced(answered, pace) if pace > 0 else answered


def weighed(server: Json | None, event: Mapping[str, Any]) -> Json:
    """Return a server whose share of the bids healing has changed: `weight` in (0, 1], `held`."""
    return (server or NEW) | {"weight": event["weight"], "held": event["held"]}


def _judged(server: Json, right: bool | None) -> Json:
    """Return what a judged answer changes: the last ones, and the share that is usual."""
    if right is None:
        return {}
    known, usual = server.get("rights", []), server.get("usual_right")
    rate = USUAL_RATE if usual is not None and len(known) >= ANSWERS else 1 / (len(known) + 1)
    usual = float(right) if usual is None else usual + rate * (right - usual)
    return {"rights": [*known, int(right)][-ANSWERS:], "usual_right": usual}


def is_lying(server: Json | None) -> bool:
    """Return whether far fewer of a model's answers are right than usual, over all its experts."""
    known = (server or NEW).get("rights", [])
    usual = (server or NEW).get("usual_right") or 0.0
    return len(known) == ANSWERS and sum(known) / ANSWERS < usual - MUCH


def is_slow(server: Json | None) -> bool:
    """Return whether a server has lost half of its weight by its pace alone."""
    return bool(server) and _ease(server or NEW) ** 2 < 0.5


def _paced(server: Json, pace: float) -> Json:
    usual, calls = server["usual"] or pace, len(server["recent"])
    recent = [*server["recent"], pace][-RECENT:]
    # A young server learns fast; an old one forgets its usual pace too slowly for a bad hour.
    rate = USUAL_RATE if calls >= RECENT else 1 / (calls + 1)
    usual = exp((1 - rate) * log(usual) + rate * log(pace))
    return server | {"recent": recent, "usual": usual}


def latency_s(server: Json | None, tokens: float, declared_s: float) -> float:
    """Return the seconds of a call for so many tokens: as seen of late, else as declared."""
    if not server or not server["recent"]:
        return declared_s
    return _middle(server["recent"]) * (START_TOKENS + tokens)


def health(server: Json | None) -> float:
    """Return the weight of a server, in (0, 1].

    Its share of sound calls, times the square of how much quicker it usually is than now.
    """
    if not server:
        return 1.0
    sound = 1 - sum(server["faults"]) / (len(server["faults"]) + 2)
    weight: float = server.get("weight", 1.0)
    return max(LEAST_HEALTH, sound * _ease(server) ** 2 * weight)


def _ease(server: Json) -> float:
    if len(server["recent"]) < RECENT:
        return 1.0
    return float(min(1.0, TOLERANCE * server["usual"] / _middle(server["recent"])))


def _middle(paces: list[float]) -> float:
    ordered, half = sorted(paces), len(paces) // 2
    return float(ordered[half] + ordered[-half - 1]) / 2


def breaker(server: Json | None, now_s: float | None = None) -> Breaker:
    """Return whether a server may be asked; without a time an open breaker stays open."""
    if not server or not has_tripped(server):
        return "closed"
    if server.get("held"):
        return "open"
    since_s, row = server["fault_at_s"], server["row"]
    if now_s is None or since_s is None:
        return "open"
    rest_s = min(LONGEST_REST_S, REST_S * 2 ** min(10, max(0, row - OPEN_AFTER)))
    return "half_open" if now_s >= since_s + rest_s else "open"


def why_open(server: Json | None) -> str:
    """Return in words why a server is not asked; "" where its breaker is closed."""
    if not server or not has_tripped(server):
        return ""
    if server.get("held"):
        return str(server["held"])
    times = "once" if server["row"] == 1 else f"{server['row']} times in a row"
    return f"its server failed {times}, last with {server['fault']}"


def has_tripped(server: Json) -> bool:
    """Return whether calls or healing have opened its breaker."""
    return bool(server["row"] >= OPEN_AFTER or server["is_final"] or server.get("held"))
