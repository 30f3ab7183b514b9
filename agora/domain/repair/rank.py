"""Which of several patches that pass the tests is most likely right.

Patches that behave alike on generated inputs vote together, each with the odds of its edits;
Xiong, Liu, Zeng, Zhang, Huang, "Identifying Patch Correctness in Test-Based Program Repair",
ICSE 2018.
"""

import math
from collections import Counter
from collections.abc import Sequence

from agora.domain.repair.edits import Attempt

STEEP = 2.0  # how fast the odds of an edit fall with its cost
LEARNT = 1.5  # what a constant costs that the tests hold
RAISED = 1.0  # what it costs to raise where most rivals answer
Ranked = list[tuple[Attempt, tuple[str, ...]]]
Behaviour = tuple[str, ...]


def ranked(
    attempts: Sequence[Attempt], behaviours: Sequence[Behaviour], known: frozenset[str]
) -> Ranked:
    """Return the attempts with their reasons, the most trustworthy first.

    `behaviours` holds what each of the first attempts answers to the same calls.
    """
    prices = [_price(attempt, known) for attempt in attempts]
    groups = _groups(prices, behaviours)
    raising = _raising(behaviours)
    total = sum(_odds(price) for price in prices)

    def key(index: int) -> tuple[float, float, int]:
        votes: dict[tuple[str, ...], float] = {}
        for i in groups.get(index, [index]):
            # Variants of one idea, such as one constant after the other, have one vote.
            idea = tuple(f"{edit.path}:{edit.line} {edit.operator}" for edit in attempts[i].edits)
            odds = _odds(prices[i] + RAISED * raising.get(i, 0.0))
            votes[idea] = max(odds, votes.get(idea, 0.0))
        return -sum(votes.values()), prices[index], index

    order = _distinct(sorted(range(len(attempts)), key=key), groups)
    return [
        (attempts[i], _reasons(attempts[i], len(groups.get(i, [i])), -key(i)[0] / total, known))
        for i in order
    ]


def shown(mark: str) -> str:
    """Return an answer as people read it, given the mark that a rehearsal made of it."""
    if mark.startswith("!"):
        return f"raises {mark[1:]}"
    return mark.split(" ", 2)[2] if mark.count(" ") > 1 else "nothing in time"


def _distinct(order: Sequence[int], groups: dict[int, list[int]]) -> list[int]:
    """Return the best of each behaviour first: a person chooses between those."""
    first = {min(groups.get(i, [i]), key=list(order).index) for i in order}
    return [i for i in order if i in first] + [i for i in order if i not in first]


def _price(attempt: Attempt, known: frozenset[str]) -> float:
    learnt = any(constant in known for edit in attempt.edits for constant in edit.added)
    return attempt.cost + LEARNT * learnt


def _odds(price: float) -> float:
    return math.exp(-STEEP * price)


def _groups(prices: Sequence[float], behaviours: Sequence[Behaviour]) -> dict[int, list[int]]:
    """Return, for each attempt, those that behave as it does; the slow ones stand alone."""
    longest = max(map(len, behaviours), default=0)
    alike: dict[Behaviour, list[int]] = {}
    for index, behaviour in enumerate(behaviours):
        if len(behaviour) == longest:
            alike.setdefault(behaviour, []).append(index)
    return {index: group for group in alike.values() for index in group}


def _raising(behaviours: Sequence[Behaviour]) -> dict[int, float]:
    """Return in which share of the calls an attempt raises though most of them answer."""
    if not behaviours:
        return {}
    length = max(map(len, behaviours))
    raised = Counter(i for b in behaviours for i, mark in enumerate(b) if mark.startswith("!"))
    answered = {i for i in range(length) if raised[i] < len(behaviours) / 2}
    return {
        index: sum(b[i].startswith("!") for i in answered if i < len(b)) / max(len(answered), 1)
        for index, b in enumerate(behaviours)
    }


def _reasons(attempt: Attempt, alike: int, share: float, known: frozenset[str]) -> tuple[str, ...]:
    found = [f"{len(attempt.edits)} small edit{'s' * (len(attempt.edits) > 1)}"]
    if alike > 1:
        found.append(f"{alike - 1} other patches behave the same on generated inputs")
    if any(constant in known for edit in attempt.edits for constant in edit.added):
        found.append("adds a constant that a test holds")
    return (*found, f"{share:.0%} of the odds")
