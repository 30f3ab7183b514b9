"""The solution library: what accepted fixes say of where the next one will be.

Of each accepted fix its abstraction is kept: how every candidate of its search looked, and which
of them passed. A conditional logit (McFadden, 1974) learns from them what a fix looks like; its
posterior (Laplace's approximation) is sampled for each operator anew in every search, so that
what was seldom tried gets its chance: Chapelle, Li, "An Empirical Evaluation of Thompson
Sampling", NIPS 2011.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from agora.domain.contracts import Contract, Json
from agora.domain.repair.edits import Attempt

SHAPE = ("cost", "same_line", "same_context")
"""What is weighed of every candidate: what it costs, and how many of its line and of its context
stand before it. The other weights are those of operators; twenty fixes teach no more than that.
"""
FIRST = {"cost": -3.0}  # before anything was learnt, the cost alone counts
KEPT = 400  # candidates of one search that are remembered, beside those that passed
STEPS, RATE = 60, 0.1
Matrix = npt.NDArray[np.float64]


class Manner(Contract):
    """How the library learns and dares; it is improved by the same proof as all else."""

    shape: float = 0.25  # precision of the prior of SHAPE: how much it takes to be unlearnt
    kind: float = 10.0  # the same of operators
    boldness: float = 0.25  # of a standard deviation: how far a sample strays


RIVALS = (
    Manner(shape=0.5, kind=3.0, boldness=0.1),
    Manner(shape=0.5, kind=10.0, boldness=0.0),
    Manner(shape=4.0, kind=20.0, boldness=0.35),
)
"""What challenges the manner in use, one after the other, once too few repairs succeed."""


@dataclass(frozen=True)
class Instinct:
    """What the library has learnt, by weight; without any, candidates come by their cost."""

    weights: dict[str, float] = field(default_factory=dict)
    spread: dict[str, float] = field(default_factory=dict)  # standard deviations
    boldness: float = 0.0
    doubt: float = 0.0  # the standard deviation of what was never seen
    last: tuple[str, ...] = ()  # operators whose fixes people have refused

    def ordered(self, attempts: Sequence[Attempt], seed: int) -> list[Attempt]:
        """Return attempts, the likeliest first; the same for the same seed."""
        return sorted(self._ordered(attempts, seed), key=lambda one: one.operator in self.last)

    def _ordered(self, attempts: Sequence[Attempt], seed: int) -> list[Attempt]:
        if not self.weights or not attempts:
            return list(attempts)
        scores = self._scores(described(attempts), seed)
        return [attempts[i] for i in np.argsort(-scores, kind="stable")]

    def place(self, lesson: Json, seed: int) -> int:
        """Return how many candidates of a past search it takes to the first that passed, from 1."""
        order = np.arange(len(lesson["rows"]))
        if self.weights:
            order = np.argsort(-self._scores(lesson, seed), kind="stable")
        passed = set(lesson["passed"])
        return 1 + next(place for place, i in enumerate(order) if int(i) in passed)

    def _scores(self, table: Json, seed: int) -> Matrix:
        sampled = self._sampled(sorted(set(table["operators"])), seed)
        shape = np.array([self.weights.get(one, 0.0) for one in SHAPE])
        drawn = np.array([sampled[operator] for operator in table["operators"]])
        scores: Matrix = np.array(table["rows"]) @ shape + drawn
        return scores

    def _sampled(self, operators: Sequence[str], seed: int) -> dict[str, float]:
        chance = np.random.default_rng(seed)
        return {
            one: self.weights.get(one, 0.0)
            + self.boldness * self.spread.get(one, self.doubt) * float(chance.standard_normal())
            for one in operators
        }


def described(attempts: Sequence[Attempt]) -> Json:
    """Return how candidates look, in the order of their cost: a row of SHAPE for each."""
    lines, contexts = Counter[object](), Counter[object]()
    rows = []
    for attempt in attempts:
        first = attempt.edits[0]
        line, context = (first.path, first.line), (attempt.operator, attempt.context)
        seen = [math.log1p(one) for one in (lines[line], contexts[context])]
        rows.append([round(one, 3) for one in (attempt.cost, *seen)])
        lines[line] += 1
        contexts[context] += 1
    return {"rows": rows, "operators": [attempt.operator for attempt in attempts]}


def remembered(attempts: Sequence[Attempt], passed: Sequence[Attempt]) -> Json:
    """Return what of a search is worth keeping: its likeliest candidates, and what passed."""
    good = set(map(id, passed))
    kept = [i for i, one in enumerate(attempts) if i < KEPT or id(one) in good]
    table = described(attempts)
    return {name: [column[i] for i in kept] for name, column in table.items()} | {
        "passed": [place for place, i in enumerate(kept) if id(attempts[i]) in good]
    }


def learnt(searches: Sequence[Json], manner: Manner | None = None) -> Instinct:
    """Return what these searches teach, each as `remembered` left it; the order is without effect.

    Maximises the likelihood that one of those candidates is taken first which passed.
    """
    manner = manner or Manner()
    usable = [one for one in searches if one["passed"]]
    if not usable:
        return Instinct()
    names = [*SHAPE, *sorted({kind for one in usable for kind in one["operators"]})]
    tables = [_matrix(one, names) for one in usable]
    prior = np.array([FIRST.get(name, 0.0) for name in names])
    faith = np.array([manner.shape if name in SHAPE else manner.kind for name in names])
    weights = _fitted(tables, prior, faith)
    precision = faith + sum(_curvature(table, weights) for table, _ in tables)
    rounded = [round(float(one), 4) for one in weights]
    spread = [round(float(one), 4) for one in 1 / np.sqrt(precision)]
    weights_of, spread_of = (dict(zip(names, ones, strict=True)) for ones in (rounded, spread))
    return Instinct(weights_of, spread_of, manner.boldness, round(1 / math.sqrt(manner.kind), 4))


def _matrix(table: Json, names: Sequence[str]) -> tuple[Matrix, npt.NDArray[np.bool_]]:
    column = {name: i for i, name in enumerate(names)}
    found = np.zeros((len(table["rows"]), len(names)))
    found[:, : len(SHAPE)] = table["rows"]
    found[np.arange(len(found)), [column[kind] for kind in table["operators"]]] = 1.0
    passed = np.zeros(len(found), dtype=bool)
    passed[table["passed"]] = True
    return found, passed


def _fitted(
    tables: Sequence[tuple[Matrix, npt.NDArray[np.bool_]]], prior: Matrix, faith: Matrix
) -> Matrix:
    """Climb to the most probable weights (Kingma, Ba, "Adam", ICLR 2015)."""
    weights, mean, square = prior.copy(), np.zeros_like(prior), np.zeros_like(prior)
    for step in range(1, STEPS + 1):
        slope = -faith * (weights - prior)
        for table, passed in tables:
            chosen = _chances(table, weights)
            slope = slope + (_normed(chosen * passed) - chosen) @ table
        mean, square = 0.9 * mean + 0.1 * slope, 0.99 * square + 0.01 * slope * slope
        steep = np.sqrt(square / (1 - 0.99**step)) + 1e-8
        weights = weights + RATE * mean / (1 - 0.9**step) / steep
    return weights


def _chances(table: Matrix, weights: Matrix) -> Matrix:
    scores = table @ weights
    return _normed(np.exp(scores - scores.max()))


def _normed(odds: Matrix) -> Matrix:
    total: Matrix = odds / max(float(odds.sum()), 1e-300)
    return total


def _curvature(table: Matrix, weights: Matrix) -> Matrix:
    chosen = _chances(table, weights)
    mean = chosen @ table
    spread: Matrix = chosen @ (table * table) - mean * mean
    return spread
