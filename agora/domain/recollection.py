"""Which memories are worth recalling: relevance x quality x recency, and how quality moves.

After Park et al., "Generative Agents" (2023), with quality in place of importance: it is earned.
"""

from typing import Literal

HIGH, LOW = 0.70, 0.20
"""Quality from which a memory is never given up for another's sake; below which it is archived."""
HALF_LIFE_DAYS = 30.0
OLD = 0.5
"""What age leaves of a memory's worth at the least: the good ones do not die of it."""
ALIKE = 0.95
"""Cosine from which two memories may say the same."""
NEAR = 0.30
WORTH: dict[str, float] = {"outcome": 0.5, "tool": 0.5, "reflection": 0.6, "feedback": 0.8}
"""What a memory of each kind begins with."""

Word = Literal["good", "bad"]


def score(relevance: float, quality: float, age_days: float) -> float:
    """Return what a memory is worth to a task, in [0, 1]; `relevance` is a cosine."""
    recency = OLD + (1 - OLD) * float(0.5 ** (max(0.0, age_days) / HALF_LIFE_DAYS))
    return max(0.0, relevance) * quality * recency
