"""How hard a task is for everybody, from the look of its text: one small model for all bidders.

A logistic regression on a few traits with the table's estimate as offset, learned one outcome at
a time (AdaGrad: Duchi et al., JMLR 12, 2011). One model for each bidder would add independent
errors, and an auction picks the largest of them: the winner's curse (Thaler 1988).
"""

import re
from collections.abc import Mapping
from math import exp, log, log1p, sqrt

from agora.domain.contracts import Json

RELATION = re.compile(
    r"\b(?:half|halves|thirds?|quarter|times|twice|double|triple|each|every|percent|ratio|per|"
    r"average|total|more|less|than|if|not|except|only)\b|%|\d/\d"
)
RATE, DECAY = 0.1, 0.001
NEW: Json = {"weights": {}, "squares": {}}

Traits = Mapping[str, float]


def traits(text: str, tokens: float | None = None) -> dict[str, float]:
    """Return what the look of a task tells: each about 0 for a usual one, about 1 for a rare one.

    `tokens` is the length of the whole task where `text` is only its beginning.
    """
    low = text.casefold()
    words = re.findall(r"[^\W\d_]+", low)
    return {
        "start": 1.0,
        "length": log1p(len(text) / 4 if tokens is None else tokens) - 4,
        "commas": log1p(low.count(",")) - 1,
        "relations": log1p(len(RELATION.findall(low))) - 1,
        "word": sum(map(len, words)) / max(1, len(words)) - 4.6,
    }


def ease(model: Json, of: Traits) -> float:
    """Return how much easier a task is than its domain's mean, in logits."""
    weights = model["weights"]
    return float(sum(weights.get(name, 0.0) * value for name, value in of.items()))


def adjusted(p: float, ease: float) -> float:
    """Return a chance of success, half from the table and half from the table and the text."""
    return (p + _shifted(p, ease)) / 2


def step(model: Json, of: Traits, predicted: float, right: bool) -> Json:
    """Return the model after one outcome for which the table alone `predicted` a chance."""
    error = right - _shifted(predicted, ease(model, of))
    weights, squares = dict(model["weights"]), dict(model["squares"])
    for name, value in of.items():
        slope = error * value - DECAY * weights.get(name, 0.0)
        squares[name] = squares.get(name, 0.0) + slope * slope
        weights[name] = weights.get(name, 0.0) + RATE * slope / sqrt(squares[name] + 1)
    return {"weights": weights, "squares": squares}


def _shifted(p: float, logits: float) -> float:
    p = min(0.999, max(0.001, p))
    return 1 / (1 + exp(-log(p / (1 - p)) - min(4.0, max(-4.0, logits))))
