"""Settlement: a winner is paid its outcome less what it cost and less the second score.

So the honest claim is the best one (Vickrey, "Counterspeculation, auctions, and competitive sealed
tenders", Journal of Finance 16, 1961): who claims more wins tasks at a loss, until its credit is
spent. From then on it bids with what outcomes say of it, whatever it claims, until honest claims
redeem it: a boaster may still be the best for a task, and without its bids the users would lose.
"""

from collections.abc import Mapping
from typing import Any

from agora.domain.contracts import Json

START = 5.0
"""Credit at the start, in values of a right answer: about what a boaster costs its users."""
PAROLE = 2.5
"""Credit of one that came back."""
ALARM, SLACK = 5.0, 0.10
"""Sums of (claim − outcome − slack), and after a fall of (outcome − claim + slack), from which a
boast is no bad luck, and an honest claim no good luck: a CUSUM, as in `drift`."""
NEW: Json = {"credit": START, "boast": 0.0, "redemption": 0.0}


def is_spent(record: Json) -> bool:
    """Return whether a bidder has claimed more than it could do, until its credit was gone."""
    return bool(record["credit"] <= 0 and record["boast"] >= ALARM)


def settled(record: Json, event: Mapping[str, Any]) -> Json:
    """Return a record after one outcome was paid for; probes are not, they only bring back.

    Who bids with what standings say, and no claim of its own, is paid but never disbelieved.
    """
    if is_spent(record):
        return _redeemed(record, event)
    if event.get("is_probe") or not event.get("value_usd"):
        return record
    claimed, right = event.get("claimed_p"), event["right"]
    boast = 0.0 if claimed is None else record["boast"] + claimed - right - SLACK
    credit = record["credit"] + _earned_usd(event) / event["value_usd"]
    return record | {"credit": credit, "boast": max(0.0, boast)}


def _redeemed(record: Json, event: Mapping[str, Any]) -> Json:
    honesty = event["right"] - (event.get("claimed_p") or 0.0) + SLACK
    redemption = max(0.0, record["redemption"] + honesty)
    if redemption < ALARM:
        return record | {"redemption": redemption}
    return record | NEW | {"credit": PAROLE}


def _earned_usd(event: Mapping[str, Any]) -> float:
    waited_usd = event.get("second_usd", 0.0) * event.get("latency_s", 0.0)
    price_usd = event.get("cost_usd", 0.0) + waited_usd
    return float(
        event["value_usd"] * event["right"] - price_usd - (event.get("second_score") or 0.0)
    )
