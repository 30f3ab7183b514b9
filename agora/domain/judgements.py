"""Judgements: who says that an outcome was right, how much that weighs, and what it comes to.

Tests and failed validators know; a person is believed next, a model of another family after that.
That a validator let an answer pass says little: it knows the form alone.
"""

from collections.abc import Iterable
from typing import Literal

from agora.domain.contracts import Contract

Origin = Literal["tests", "validator", "person", "judge"]

PASSED = 0.3
"""What it weighs that a validator had nothing to say against an answer."""
WEIGHTS: dict[Origin, float] = {"tests": 1.0, "validator": 1.0, "person": 0.9, "judge": 0.6}


class Judgement(Contract):
    """What one source says of one outcome."""

    source: Origin
    is_right: bool
    reason: str = ""
    answer: str | None = None  # what would have been right, as far as the source has said

    @property
    def weight(self) -> float:
        """Return how much it counts, in (0, 1]."""
        is_form = self.source == "validator" and self.is_right
        return PASSED if is_form else WEIGHTS[self.source]


def verdict(judgements: Iterable[Judgement]) -> bool | None:
    """Return what all judgements of one outcome come to; None where nobody has judged."""
    given = list(judgements)
    balance = sum(one.weight if one.is_right else -one.weight for one in given)
    return balance > 0 if given else None
