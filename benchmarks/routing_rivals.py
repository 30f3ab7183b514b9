"""What the auction is compared with, offline and on a stream: simple baselines of our own.

Each is a `Rival`: it chooses an expert for a question, and learns from an outcome. None of them is
another project's code: "weighted" follows how LiteLLM's adaptive router scores, "pairwise" how
RouteLLM learns from texts (Ong et al. 2024).
"""

import random
from collections.abc import Callable, Mapping, Sequence
from math import exp, sqrt
from statistics import mean
from typing import Protocol

from benchmarks.routing_offline import folds
from benchmarks.routing_online import stream
from benchmarks.routing_replay import Market, Replay, Row

EPSILON = 0.1
RATE, DECAY = 0.1, 0.001
WEIGHTS = (0.6, 0.2, 0.2)
"""Of success, cost and speed in the weighted sum; each is scaled to [0, 1] among the candidates."""
Features = Mapping[str, float]


class Rival(Protocol):
    """Chooses for a question, and learns from what came of it."""

    def choose(self, row: Row) -> Replay:
        """Return who does it."""

    def learn(self, row: Row, model: Replay) -> None:
        """Take the outcome of a model on a question into account."""


class Cells:
    """A cell of [right, wrong] for each expert in each domain, alone; the best mean wins."""

    def __init__(self, market: Market, dice: random.Random) -> None:
        self.market, self.dice = market, dice
        self.counts: dict[tuple[str, str], list[int]] = {}
        self.tokens = {one.name: [200.0, 1.0] for one in market.models}

    def learn(self, row: Row, model: Replay) -> None:
        """Count an outcome."""
        self.cell(row, model)[not row.right[model.name]] += 1
        sums = self.tokens[model.name]
        sums[:] = [sums[0] + row.tokens[model.name], sums[1] + 1]

    def cell(self, row: Row, model: Replay) -> list[int]:
        """Return [right, wrong] of a model in the question's domain."""
        return self.counts.setdefault((model.name, row.domain), [0, 0])

    def expected(self, model: Replay) -> float:
        """Return the tokens of an answer."""
        return self.tokens[model.name][0] / self.tokens[model.name][1]

    def price(self, row: Row, model: Replay) -> float:
        """Return what an answer costs, in right answers."""
        return model.cost_musd(row, self.expected(model)) / self.market.value_musd

    def choose(self, row: Row) -> Replay:
        """Return who has the highest mean less its price."""
        return self._best(row, lambda model: _mean(self.cell(row, model)))

    def _best(self, row: Row, p: Callable[[Replay], float]) -> Replay:
        return max(self.market.models, key=lambda one: p(one) - self.price(row, one))


def _mean(cell: Sequence[int]) -> float:
    return (1 + cell[0]) / (2 + sum(cell))


class Thompson(Cells):
    """Draws from the Beta posterior of each cell (Thompson 1933)."""

    def choose(self, row: Row) -> Replay:
        """Return who has the highest draw less its price."""
        return self._best(row, lambda one: self._draw(self.cell(row, one)))

    def _draw(self, cell: Sequence[int]) -> float:
        return self.dice.betavariate(1 + cell[0], 1 + cell[1])


class Greedy(Cells):
    """Epsilon-greedy: in one case of ten anybody."""

    def choose(self, row: Row) -> Replay:
        """Return the best by the means, or anybody."""
        is_whim = self.dice.random() < EPSILON
        return self.dice.choice(self.market.models) if is_whim else super().choose(row)


class Weighted(Cells):
    """A weighted sum of success, cost and speed, each scaled among the candidates.

    Success is drawn from the cell's posterior; the value of a right answer has no place in it.
    """

    def choose(self, row: Row) -> Replay:
        """Return who has the highest sum."""
        models = self.market.models
        terms = (
            [self.dice.betavariate(*(1 + n for n in self.cell(row, one))) for one in models],
            [-self.price(row, one) for one in models],
            [-one.service_s(self.expected(one)) for one in models],
        )
        scaled = [_scaled(values) for values in terms]
        sums = [
            sum(w * s for w, s in zip(WEIGHTS, one, strict=True))
            for one in zip(*scaled, strict=True)
        ]
        return models[sums.index(max(sums))]


def _scaled(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    return [(one - low) / ((high - low) or 1.0) for one in values]


class Logistic:
    """A logistic regression, learned one outcome at a time (AdaGrad)."""

    def __init__(self) -> None:
        self.weights: dict[str, float] = {}
        self.squares: dict[str, float] = {}

    def p(self, of: Features) -> float:
        """Return the chance of a yes."""
        total = sum(self.weights.get(name, 0.0) * value for name, value in of.items())
        return 1 / (1 + exp(-max(-30.0, min(30.0, total))))

    def learn(self, of: Features, yes: bool) -> None:
        """Take one step."""
        error = yes - self.p(of)
        for name, value in of.items():
            slope = error * value - DECAY * self.weights.get(name, 0.0)
            self.squares[name] = self.squares.get(name, 0.0) + slope * slope
            step = RATE * slope / sqrt(self.squares[name] + 1)
            self.weights[name] = self.weights.get(name, 0.0) + step


class Regressions(Cells):
    """One logistic regression per expert on domain and text."""

    def __init__(self, market: Market, dice: random.Random) -> None:
        super().__init__(market, dice)
        self.of = {one.name: Logistic() for one in market.models}

    def choose(self, row: Row) -> Replay:
        """Return who has the highest chance less its price."""
        of = _features(row)
        return self._best(row, lambda one: self.of[one.name].p(of))

    def learn(self, row: Row, model: Replay) -> None:
        """Take one step for this expert alone."""
        super().learn(row, model)
        self.of[model.name].learn(_features(row), row.right[model.name])


def _features(row: Row) -> dict[str, float]:
    return {**row.traits, f"domain {row.domain}": 1.0}


RIVALS: Mapping[str, Callable[[Market, random.Random], Rival]] = {
    "independent cells, means": Cells,
    "independent cells, Thompson": Thompson,
    "independent cells, epsilon-greedy": Greedy,
    "weighted sum of scaled scores": Weighted,
    "one logistic regression per expert": Regressions,
}


def graded(market: Market, rows: Sequence[Row], seed: int) -> dict[str, float]:
    """Return each rival's gain over the best fixed expert, learned on four folds of five."""
    gains: dict[str, list[float]] = {name: [] for name in RIVALS}
    for learned, tested in folds(rows, seed):
        best = market.best_fixed(learned)
        for name, kind in RIVALS.items():
            rival = kind(market, random.Random(seed))
            for row in learned:
                for model in market.models:
                    rival.learn(row, model)
            gains[name] += [_gain(market, row, rival.choose(row), best) for row in tested]
    return {name: mean(found) for name, found in gains.items()}


def streamed(market: Market, rows: Sequence[Row], seed: int, name: str) -> dict[str, float]:
    """Return what `routing_online.learning` does, for a rival that begins cold."""
    rival, best = RIVALS[name](market, random.Random(seed)), market.best_fixed(rows)
    gains = []
    for row in stream(rows, seed)[1]:
        model = rival.choose(row)
        rival.learn(row, model)
        gains.append(_gain(market, row, model, best))
    return {"last": mean(gains[-1000:]), "regret": -sum(gains)}


def _gain(market: Market, row: Row, model: Replay, best: Replay) -> float:
    price = 1 / market.value_musd
    return row.utility(model, price) - row.utility(best, price)


def pairwise(rows: Sequence[Row], seed: int, low: Replay, high: Replay) -> float:
    """Return the APGR of a router for one pair that learns from texts who wins (Ong et al. 2024).

    It ranks by the chance that the strong one is right where the weak one is not.
    """
    found = []
    for learned, tested in folds(rows, seed):
        router = Logistic()
        for row in learned:
            router.learn(_words(row), row.right[high.name] > row.right[low.name])
        ranked = sorted(tested, key=lambda row: -router.p(_words(row)))
        share, won = [0.0], sum(row.right[high.name] - row.right[low.name] for row in tested)
        for row in ranked:
            share.append(share[-1] + (row.right[high.name] - row.right[low.name]) / won)
        found.append(mean(share))
    return mean(found)


def _words(row: Row) -> dict[str, float]:
    words = set(row.prompt.casefold().split())
    return {**_features(row), **{f"word {one}": 1 / sqrt(len(words)) for one in words}}
