"""Choosing who does a task: a first-score sealed-bid auction in money.

Che, "Design Competition Through Multidimensional Auctions", RAND J. of Economics 24(4), 1993.
A score is V·h·p − C − w·(k·W + S): what is gained in USD, not a weighted sum of ranks, so that it
means the same whoever joins or leaves.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from agora.domain import standings
from agora.domain.contracts import Award, Bid, Json

TAIL = 2.0
"""How much more than its mean a wait in a queue costs: queues have long tails."""
LEAST_S = 0.5
"""Seconds that must be left for another try, whatever is known of whoever makes it."""


@dataclass(frozen=True)
class Stakes:
    """What a right answer is worth, and what a second of waiting costs, both in USD."""

    value_usd: float
    second_usd: float = 0.0


@dataclass(frozen=True)
class Offer:
    """One bidder's terms for one task, before they are priced against the others."""

    expert: str
    model: str | None
    p_success: float
    q: float = 0.0  # the mean of p_success, without hope
    n: float = 0.0  # how many tasks it rests on
    tokens: float = 0.0  # expected length of the answer
    cost_usd: float = 0.0
    queue_s: float = 0.0  # until it begins: the work ahead, over its slots
    service_s: float = 0.0  # from then to the answer
    load: int = 0
    overlap: float = 0.5
    health: float = 1.0
    barred: tuple[str, ...] = ()  # nothing overrules these: policy, residency, budget, deadline
    resting: tuple[str, ...] = ()  # overruled when nobody else is left
    is_late: bool = False  # barred by nothing but the deadline
    is_probe: bool = False

    @property
    def name(self) -> str:
        """Return how standings know the bidder; the same as `Bid.name`."""
        return f"{self.expert}@{self.model}" if self.model else self.expert


@dataclass(frozen=True)
class Auction:
    """All bids, best first; the award, or in `reason` why there is none."""

    bids: tuple[Bid, ...]
    award: Award | None
    reason: str = ""
    is_probe: bool = False
    is_last_resort: bool = False  # the winner would rest if there were anybody else


def _nothing(tokens_out: float) -> float:
    return 0.0


@dataclass(frozen=True)
class Terms:
    """What a bidder takes, and how busy it is: prices in USD, times in seconds."""

    cost_usd: Callable[[float], float] = _nothing  # of so many tokens of answer
    service_s: Callable[[float], float] = _nothing  # as the catalogue says
    queue_s: float = 0.0
    load: int = 0
    barred: tuple[str, ...] = ()
    claimed_p: float | None = None  # what it says of itself, where it does; settled by outcome


@dataclass(frozen=True)
class Ask:
    """What the auction knows of a task: its mix of domains, its stakes, and the time."""

    mix: Mapping[str, float]
    stakes: Stakes
    deadline_s: float | None = None
    now_s: float | None = None
    may_probe: bool = True  # not where the task is urgent, or has side effects
    ease: float = 0.0  # of its text, see difficulty
    is_again: bool = False  # somebody has failed at it


def offer(
    state: Json, expert: str, model: str | None, ask: Ask, terms: Terms, overlap: float = 0.5
) -> Offer:
    """Return a bidder's offer for a task, from its standings and its terms."""
    name = f"{expert}@{model}" if model else expert
    tokens = standings.expected_tokens(state, name, ask.mix)
    service_s = standings.expected_latency(state, name, tokens, terms.service_s(tokens))
    q, n = standings.p_success(state, name, ask.mix, overlap, ask.ease)
    p = terms.claimed_p
    if p is None or not standings.is_believed(state, name):
        p = standings.optimism(q, n, standings.exploration(state, name))
    late = _too_late(terms.queue_s + service_s, ask.deadline_s)
    # A guess bars nobody, nor an estimate after a failure: the alternative may be no answer at all.
    is_guess = ask.is_again or not standings.is_timed(state, name)
    is_spared = is_guess and ask.deadline_s is not None and ask.deadline_s >= LEAST_S
    return Offer(
        expert=expert,
        model=model,
        p_success=p,
        q=q,
        n=n,
        tokens=tokens,
        cost_usd=terms.cost_usd(tokens),
        queue_s=terms.queue_s,
        service_s=service_s,
        load=terms.load,
        overlap=overlap,
        health=standings.health(state, name),
        barred=terms.barred if is_spared else (*terms.barred, *late),
        resting=(*standings.resting(state, name, ask.now_s), *(late if is_spared else ())),
        is_late=bool(late) and not terms.barred,
        is_probe=ask.may_probe and standings.is_probe_due(state, name),
    )


def _too_late(seconds: float, deadline_s: float | None) -> tuple[str, ...]:
    if deadline_s is None or seconds <= deadline_s:
        return ()
    return (f"would take {seconds:.0f} s, the deadline is {deadline_s:.0f} s",)


def score_usd(offer: Offer, stakes: Stakes) -> float:
    """Return what is gained by giving the task to this bidder, in USD."""
    waited_s = TAIL * offer.queue_s + offer.service_s
    gain_usd = stakes.value_usd * offer.health * offer.p_success
    return gain_usd - offer.cost_usd - stakes.second_usd * waited_s


def hold(offers: Sequence[Offer], stakes: Stakes) -> Auction:
    """Return the auction's bids, best first, and its award.

    Nobody wins below 0, and a probe that is due wins before all. Health and breakers
    never leave a task without its last usable expert: where nobody else wins, they do not count.
    Equal scores go to the likelier, with hope and without, then the cheaper, then by name.
    """
    allowed = [one for one in offers if not one.barred]
    awake = [one for one in allowed if not one.resting or one.is_probe]
    auction = _sell(offers, awake, stakes)
    if auction.award or not allowed:
        return auction
    rested = {one.name: replace(one, health=1.0, resting=()) for one in allowed}
    again = _sell([rested.get(one.name, one) for one in offers], list(rested.values()), stakes)
    return replace(again, is_last_resort=True) if again.award else auction


def _sell(offers: Sequence[Offer], usable: Sequence[Offer], stakes: Stakes) -> Auction:
    scores = {one.name: score_usd(one, stakes) for one in usable}
    bids = tuple(sorted((_bid(one, scores, stakes) for one in offers), key=_rank))
    probes = [one.name for one in usable if one.is_probe and one.cost_usd <= stakes.value_usd]
    first = next((bid for bid in bids if bid.name in probes), bids[0] if bids else None)
    if first is None or first.score is None:
        return Auction(bids, None, _nobody(bids))
    if first.score < 0 and not probes:
        return Auction(bids, None, _too_dear(first, stakes))
    others = [bid.score for bid in bids if bid is not first and bid.score is not None]
    award = Award(
        winner=first,
        runner_up=max(others, default=None),
        is_probe=bool(probes),
        has_relief=any(_may_relieve(one, first) for one in offers),
    )
    return Auction(bids, award, is_probe=bool(probes))


def _may_relieve(offer: Offer, first: Bid) -> bool:
    """Return whether somebody on another model could still be asked if the first one fails."""
    is_able = not offer.barred or offer.is_late
    return is_able and offer.model not in (None, first.model)


def thrifty(held: Auction) -> Auction:
    """Return an auction whose cheapest bid has won: what is left of a budget must last.

    A built-in expert costs nothing and wins by its score alone.
    """
    scored = [bid for bid in held.bids if bid.score is not None]
    priced = [bid for bid in scored if bid.model is not None]
    if not scored or scored[0].model is None or not priced:
        return held
    first = min(priced, key=lambda bid: bid.cost_usd)  # the first of equals scores best
    others = [bid.score for bid in scored if bid is not first and bid.score is not None]
    has_relief = any(bid.model != first.model for bid in priced)
    award = Award(winner=first, runner_up=max(others, default=None), has_relief=has_relief)
    return Auction(held.bids, award, is_last_resort=held.is_last_resort)


def _bid(offer: Offer, scores: Mapping[str, float], stakes: Stakes) -> Bid:
    score = scores.get(offer.name)
    return Bid(
        expert=offer.expert,
        model=offer.model,
        p_success=offer.p_success,
        q=min(1.0, offer.q),
        n=offer.n,
        tokens=offer.tokens,
        cost_usd=offer.cost_usd,
        queue_s=offer.queue_s,
        value_usd=stakes.value_usd,
        second_usd=stakes.second_usd,
        wait_s=offer.queue_s + offer.service_s,
        load=offer.load,
        overlap=offer.overlap,
        health=offer.health,
        score=score,
        reasons=(*offer.barred, *offer.resting) if score is None else (),
    )


def _rank(bid: Bid) -> tuple[bool, float, float, float, float, str]:
    return (bid.score is None, -(bid.score or 0.0), -bid.p_success, -bid.q, bid.cost_usd, bid.name)


def _nobody(bids: Sequence[Bid]) -> str:
    said = "; ".join(f"{bid.name}: {', '.join(bid.reasons)}" for bid in bids)
    return f"no expert may do this ({said})" if said else "there is no expert"


def _too_dear(best: Bid, stakes: Stakes) -> str:
    price_usd = stakes.value_usd * best.health * best.p_success - (best.score or 0.0)
    needed_usd = price_usd / max(1e-9, best.health * best.p_success)
    return (
        f"no bid is worth its price: {best.name} takes {price_usd:.4g} USD with its waiting, so a "
        f"right answer would have to be worth {needed_usd:.4g} USD, not {stakes.value_usd:.4g}"
    )
