"""Auctions: the bids of a task with all their terms, as numbers and as bars."""

from collections.abc import Sequence
from dataclasses import dataclass

from agora.domain.contracts import Award, Bid, Json
from web import charts


@dataclass(frozen=True)
class Bar:
    """One bid drawn: widths in per cent of the greatest value."""

    score: str
    cost_at: str
    cost: str
    wait_at: str
    wait: str
    value_at: str


@dataclass(frozen=True)
class Offered:
    """A bid with what it is made of, in USD; without a bar it could not win."""

    bid: Bid
    value_usd: float  # value of a right answer × health × chance
    wait_usd: float
    is_winner: bool
    bar: Bar | None


@dataclass(frozen=True)
class Round:
    """One auction: its bids, best first, and who had failed before."""

    bids: Sequence[Offered]
    winner: Award | None
    worth_usd: float


@dataclass(frozen=True)
class Failure:
    """Somebody who had won, and failed."""

    award: Award
    outcome: Json


@dataclass(frozen=True)
class Auctions:
    """The auctions of a task, the last one first, as far as its states keep them; who failed."""

    rounds: Sequence[Round]
    failed: Sequence[Failure]


def auctions(states: Sequence[Json]) -> Auctions:
    """Return the auctions of a task from its states, newest first."""
    if not states:
        return Auctions([], [])
    failed = [
        Failure(Award.model_validate(one["award"]), one["outcome"])
        for one in states[0].get("tried") or []
    ]
    held = [(state["bids"], state.get("award")) for state in states if state.get("bids")]
    rounds = [one for one, older in zip(held, [*held[1:], None], strict=True) if one != older]
    return Auctions([_read(*one) for one in rounds], failed)


def _read(bids: Sequence[Json], award: Json | None) -> Round:
    sold = Award.model_validate(award) if award else None
    return _round([Bid.model_validate(one) for one in bids], sold)


def _round(bids: Sequence[Bid], award: Award | None) -> Round:
    most = max((_value(bid) for bid in bids if bid.score is not None), default=0.0)
    winner = award.winner.name if award else None
    shown = [_offered(bid, bid.name == winner, most) for bid in bids]
    return Round(shown, award, max(bid.value_usd for bid in bids))


def _offered(bid: Bid, is_winner: bool, most: float) -> Offered:
    value = _value(bid)
    if bid.score is None:
        return Offered(bid, value, 0.0, is_winner, None)
    wait = max(0.0, value - bid.cost_usd - bid.score)
    score, cost = max(0.0, bid.score), min(bid.cost_usd, value)
    bar = Bar(
        score=charts.percent(score, most),
        cost_at=charts.percent(score, most),
        cost=charts.percent(cost, most),
        wait_at=charts.percent(score + cost, most),
        wait=charts.percent(min(wait, value - min(value, score + cost)), most),
        value_at=charts.percent(value, most),
    )
    return Offered(bid, value, wait, is_winner, bar)


def _value(bid: Bid) -> float:
    return bid.value_usd * bid.health * bid.p_success
