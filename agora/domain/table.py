"""One bidder's row of the table of domains: how often it was right, and at what length.

Each cell is shrunk to the bidder's own mean: Efron and Morris, "Data analysis using Stein's
estimator and its generalizations", JASA 70, 1975. Independent cells waste hundreds of tasks.
"""

from collections.abc import Mapping

from agora.domain.contracts import Json

PRIOR_P, PRIOR_TASKS = 0.6, 2.0
"""What is thought of a bidder of which nothing is known, and how many tasks that is worth."""
SHRINK, SHRINK_TOKENS = 30.0, 8.0
"""Tasks that a bidder's own mean is worth in a cell: of success, of tokens."""
BUILT_IN_FLOOR = 0.01
"""Chance that a built-in expert is right outside of its domain."""
BLANK: Json = {"right": 0, "wrong": 0, "tokens": 0}
NEW: Json = BLANK | {"cells": {}}

Mix = Mapping[str, float]


def counted(row: Json, domain: str, right: bool, tokens: int) -> Json:
    """Return a row (`right`, `wrong`, `tokens`, `cells`) after one more outcome."""
    cell = row["cells"].get(domain, BLANK)
    cells = row["cells"] | {domain: _plus(cell, right, tokens)}
    return row | _plus(row, right, tokens) | {"cells": cells}


def turned(row: Json, domain: str, right: bool) -> Json:
    """Return a row in which one outcome was judged otherwise later on; `right` is what holds."""
    cell = row["cells"].get(domain, BLANK)
    cells = row["cells"] | {domain: cell | _turned(cell, right)}
    return row | _turned(row, right) | {"cells": cells}


def _turned(counts: Json, right: bool) -> Json:
    one = min(1, counts["wrong" if right else "right"]) * (1 if right else -1)
    return {"right": counts["right"] + one, "wrong": counts["wrong"] - one}


def _plus(counts: Json, right: bool, tokens: int) -> Json:
    return {
        "right": counts["right"] + right,
        "wrong": counts["wrong"] + (not right),
        "tokens": counts["tokens"] + tokens,
    }


def tasks(counts: Json) -> int:
    """Return how many outcomes a row or a cell has."""
    return int(counts["right"] + counts["wrong"])


def own_mean(row: Json) -> float:
    """Return a bidder's success over all domains, drawn a little to the prior."""
    return float((row["right"] + PRIOR_P * PRIOR_TASKS) / (tasks(row) + PRIOR_TASKS))


def cell_mean(row: Json, domain: str, own: float, shrink: float = SHRINK) -> float:
    """Return a bidder's success in one domain, where `own` is worth `shrink` tasks."""
    cell = row["cells"].get(domain, BLANK)
    return float((cell["right"] + shrink * own) / (tasks(cell) + shrink))


def success(row: Json, mix: Mix, overlap: float, is_built_in: bool) -> tuple[float, float]:
    """Return (chance of success, how many tasks it rests on) in a mix of domains.

    A declared domain (`overlap` 1 rather than 0) moves what is thought without outcomes in it by
    up to .2; a built-in expert is good for nothing outside of its own.
    """
    own = own_mean(row)
    if is_built_in:
        own = max(BUILT_IN_FLOOR, own * overlap)
    else:
        own += (overlap - 0.5) * 0.8 * own * (1 - own)
    q = sum(weight * cell_mean(row, domain, own) for domain, weight in mix.items())
    variance = sum(weight * _variance(row, domain) for domain, weight in mix.items())
    return q, 1 / variance


def _variance(row: Json, domain: str) -> float:
    """Return the variance of a cell's mean, in those of one outcome: its own and the row's."""
    cell, row_tasks = tasks(row["cells"].get(domain, BLANK)), tasks(row) + PRIOR_TASKS
    return 1 / (cell + SHRINK) + (SHRINK / (cell + SHRINK)) ** 2 / row_tasks


def length(row: Json, mix: Mix, default: float) -> float:
    """Return the tokens of an answer in a mix of domains; `default` is what a new bidder writes."""
    own = (row["tokens"] + default * PRIOR_TASKS) / (tasks(row) + PRIOR_TASKS)
    return sum(weight * _cell_length(row, domain, own) for domain, weight in mix.items())


def _cell_length(row: Json, domain: str, own: float) -> float:
    cell = row["cells"].get(domain, BLANK)
    return float((cell["tokens"] + SHRINK_TOKENS * own) / (tasks(cell) + SHRINK_TOKENS))
