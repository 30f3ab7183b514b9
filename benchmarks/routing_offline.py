"""Learn from graded tasks, then route others: gain, quality–cost curve, pairs, calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from agora.domain.auction import Offer
from agora.domain.contracts import Json
from benchmarks.routing_replay import Market, Replay, Row, calibrated, shuffled

FOLDS = 5
CURVE_MUSD = (0.02, 0.05, 0.1, 0.15, 0.25, 0.4, 0.6, 1, 1.5, 2.5, 4, 6, 10, 16, 30, 60, 150, 1000)


@dataclass(frozen=True)
class Ends:
    """What the auction is judged by, as the graded tasks say: who is cheapest, strongest, best."""

    low: Replay
    high: Replay
    best_fixed: Replay  # the one that gained most on the graded tasks
    is_pair: bool


@dataclass(frozen=True)
class Choice:
    """What the auction chose for a question, and how surely the strongest beats the cheapest."""

    row: Row
    model: Replay | None
    score: float
    ends: Ends

    @property
    def is_judged(self) -> bool:
        """Return whether the data says what came of it, and of the best fixed expert."""
        asked = (self.ends.best_fixed, self.model or self.ends.best_fixed)
        return all(one.name in self.row.right for one in asked)

    @property
    def is_judged_by_both(self) -> bool:
        """Return whether the data says what the cheapest and the strongest made of it."""
        return all(one.name in self.row.right for one in (self.ends.low, self.ends.high))


def folds(rows: Sequence[Row], seed: int, count: int = FOLDS) -> list[tuple[list[Row], list[Row]]]:
    """Return (learn, test) so many times, each row tested once."""
    mixed = shuffled(rows, seed)
    return [
        ([row for at, row in enumerate(mixed) if at % count != fold], mixed[fold::count])
        for fold in range(count)
    ]


def ends(market: Market, state: Json, learned: Sequence[Row], task: Row) -> Ends:
    """Return the ends of a market by what was learned; `task` gives the size of a usual one."""
    high = market.strongest(state)
    best = market.best_fixed(learned) if learned else high
    return Ends(market.cheapest(state, task), high, best, len(market.models) == 2)


def choose(
    market: Market, state: Json, rows: Sequence[Row], learned: Sequence[Row]
) -> list[Choice]:
    """Return the auction's choice for each row."""
    at = ends(market, state, learned, [*learned, *rows][0])
    return [_choice(market, state, row, at) for row in rows]


def _choice(market: Market, state: Json, row: Row, at: Ends) -> Choice:
    model, held = market.hold(state, row)
    q = {bid.model: bid.q for bid in held.bids}
    return Choice(row, model, q[at.high.name] - q[at.low.name], at)


def earned(choices: Sequence[Choice], value_musd: float) -> Json:
    """Return accuracy, m$ and gain over the best fixed expert, per task."""
    asked = [(one.row, one.model) for one in choices if one.model]
    spent = sum(model.cost_musd(row, row.tokens[model.name]) for row, model in asked)
    price = 1 / value_musd
    return {
        "accuracy": sum(row.right[model.name] for row, model in asked) / len(choices),
        "cost_musd": spent / len(choices),
        "gain": mean(
            one.row.utility(one.model, price) - one.row.utility(one.ends.best_fixed, price)
            for one in choices
        ),
    }


def gain(models: tuple[Replay, ...], rows: Sequence[Row], value_musd: float, seed: int) -> Json:
    """Return utility, accuracy and cost of the auction and of what it is compared with."""
    market, sums = Market(models, value_musd), dict[str, list[float]]()
    for learned, tested in folds(rows, seed):
        state = calibrated(learned, models)
        at = ends(market, state, learned, learned[0])
        fixed = {"cheapest": at.low, "strongest": at.high, "best_fixed": at.best_fixed}
        for number, row in enumerate(tested):
            chosen = {"auction": market.hold(state, row)[0], **fixed}
            chosen["random"] = models[(number * 7919 + seed) % len(models)]
            for name, model in chosen.items():
                sums.setdefault(name, []).append(row.utility(model, 1 / value_musd))
    found = {name: mean(values) for name, values in sums.items()}
    return found | {"gain": found["auction"] - found["best_fixed"]}


def taught(
    models: tuple[Replay, ...], rows: Sequence[Row], value_musd: float, count: int, seed: int
) -> float:
    """Return the gain over the best fixed expert of all rows when 1 − 1/count of them are graded.

    The best is known beforehand here, as where tasks come in a stream.
    """
    market, gains = Market(models, value_musd), list[float]()
    best = market.best_fixed(rows)
    for learned, tested in folds(rows, seed, count):
        state = calibrated(learned, models)
        for row in tested:
            chosen = market.hold(state, row)[0]
            gains.append(row.utility(chosen, 1 / value_musd) - row.utility(best, 1 / value_musd))
    return mean(gains)


def foreknown(models: tuple[Replay, ...], rows: Sequence[Row], value_musd: float) -> float:
    """Return the same gain of the best expert of each domain, picked with all outcomes known."""
    market = Market(models, value_musd)
    best, price = market.best_fixed(rows), 1 / value_musd
    by_domain: dict[str, list[Row]] = {}
    for row in rows:
        by_domain.setdefault(row.domain, []).append(row)
    picked = {domain: market.best_fixed(of) for domain, of in by_domain.items()}
    return mean(row.utility(picked[row.domain], price) - row.utility(best, price) for row in rows)


def quality(models: tuple[Replay, ...], rows: Sequence[Row], seed: int) -> Json:
    """Return the quality–cost curve, and the cost of being as good as the strongest (and 95 %)."""
    sums = {value: [0.0, 0.0] for value in CURVE_MUSD}
    top, singles = [0.0, 0.0], {one.name: [0.0, 0.0] for one in models}
    for learned, tested in folds(rows, seed):
        state = calibrated(learned, models)
        high = Market(models, 1.0).strongest(state)
        for row in tested:
            _add(top, row, high)
            for model in models:
                _add(singles[model.name], row, model)
            for value in CURVE_MUSD:
                _add(sums[value], row, Market(models, value).hold(state, row)[0])
    curve = [(cost / len(rows), right / len(rows)) for cost, right in sums.values()]
    cost, right = top[0] / len(rows), top[1] / len(rows)
    points = {name: (sum_[0] / len(rows), sum_[1] / len(rows)) for name, sum_ in singles.items()}
    points["random"] = (mean(x for x, _ in points.values()), mean(y for _, y in points.values()))
    return {
        "curve": curve,
        "points": points | {"always-strongest": (cost, right)},
        "equal": cost_of(curve, right) / cost,
        "nearly": cost_of(curve, 0.95 * right) / cost,
    }


def _add(point: list[float], row: Row, model: Replay | None) -> None:
    if model is not None:
        point[0] += model.cost_musd(row, row.tokens[model.name])
        point[1] += row.right[model.name]


def cost_of(curve: Sequence[tuple[float, float]], accuracy: float) -> float:
    """Return the least cost at which the curve has this accuracy; infinite if it never has."""
    best = float("inf")
    ordered = sorted(curve)
    for (c0, a0), (c1, a1) in zip(ordered, ordered[1:], strict=False):
        if min(a0, a1) <= accuracy <= max(a0, a1) and a0 != a1:
            best = min(best, c0 + (c1 - c0) * (accuracy - a0) / (a1 - a0))
    return best


def pair(models: tuple[Replay, ...], rows: Sequence[Row], seed: int) -> Json:
    """Return APGR, CPT(50) and CPT(80) of the score, the mean over folds (Ong et al. 2024)."""
    found = []
    for learned, tested in folds(rows, seed):
        market, state = Market(models, 10.0), calibrated(learned, models)
        found.append(recovered(choose(market, state, tested, learned)))
    names = ("apgr", "cpt50", "cpt80")
    return {name: mean(fold[name] for fold in found) for name in names}


def recovered(choices: Sequence[Choice]) -> Json:
    """Return how the gap between two bidders closes as those of high score go to the stronger.

    Nothing where there is no gap to close.
    """
    ordered = sorted(choices, key=lambda one: -one.score)
    steps = [
        one.row.right[one.ends.high.name] - one.row.right[one.ends.low.name] for one in ordered
    ]
    if sum(steps) <= 0:
        return {}
    gap, share = sum(steps), [0.0]
    for step in steps:
        share.append(share[-1] + step / gap)
    return {
        "apgr": mean(share),
        "cpt50": next(at for at, done in enumerate(share) if done >= 0.5) / len(steps),
        "cpt80": next(at for at, done in enumerate(share) if done >= 0.8) / len(steps),
    }


def calibration(models: tuple[Replay, ...], rows: Sequence[Row], seed: int) -> Json:
    """Return the expected calibration error (ten bins) and the Brier score of all offers' p."""
    bins = [[0.0, 0.0, 0.0] for _ in range(10)]
    squares = []
    for learned, tested in folds(rows, seed):
        market, state = Market(models, 10.0), calibrated(learned, models)
        for row in tested:
            for offer in market.offers(state, row):
                squares.append(_judge(bins, row, offer))
    error = sum(abs(p - right) for _, p, right in bins) / len(squares)
    return {"calibration_error": error, "brier": mean(squares)}


def _judge(bins: list[list[float]], row: Row, offer: Offer) -> float:
    right = float(row.right[offer.expert])
    cell = bins[min(9, int(offer.p_success * 10))]
    cell[:] = [cell[0] + 1, cell[1] + offer.p_success, cell[2] + right]
    return (offer.p_success - right) ** 2
