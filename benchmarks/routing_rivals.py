"""What the auction is compared with on a stream of tasks: the usual bandits."""

import random
from collections.abc import Callable, Sequence
from statistics import mean

from benchmarks.routing_online import stream
from benchmarks.routing_replay import Market, Replay, Row

Cells = dict[tuple[str, str], list[int]]
"""(model, domain) → [right, wrong]: no cell knows of another."""
Draw = Callable[[random.Random, list[int]], float]
EPSILON = 0.1


def thompson(dice: random.Random, cell: list[int]) -> float:
    """Return a draw from the Beta posterior of one cell (Thompson 1933)."""
    return dice.betavariate(1 + cell[0], 1 + cell[1])


def greedy(dice: random.Random, cell: list[int]) -> float:
    """Return the mean of one cell, or in one case of ten anything: epsilon-greedy."""
    return dice.random() * 2 if dice.random() < EPSILON / 8 else (1 + cell[0]) / (2 + sum(cell))


def rival(market: Market, rows: Sequence[Row], seed: int, draw: Draw) -> dict[str, float]:
    """Return what `routing_online.learning` does, for independent cells."""
    price, best, dice = 1 / market.value_musd, market.best_fixed(rows), random.Random(seed)
    cells: Cells = {(one.name, row.domain): [0, 0] for one in market.models for row in rows}
    tokens = {one.name: [200.0] for one in market.models}
    gains = []
    for row in stream(rows, seed)[1]:
        scores = {
            one: draw(dice, cells[one.name, row.domain])
            - price * one.cost_musd(row, mean(tokens[one.name][-100:]))
            for one in market.models
        }
        model: Replay = max(scores, key=scores.__getitem__)
        cells[model.name, row.domain][not row.right[model.name]] += 1
        tokens[model.name].append(row.tokens[model.name])
        gains.append(row.utility(model, price) - row.utility(best, price))
    return {"last": mean(gains[-1000:]), "regret": -sum(gains)}
