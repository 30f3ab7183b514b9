"""Instincts: what answers to earlier fixes, and the records of tools, say of the next step.

Counts and fixed limits, no model: each instinct names what it rests on, so that a person can see
whether it is right.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from agora.domain.contracts import Contract, Json

REFUSED = ("rejected", "reverted")
LEAST = 4  # answers of one workspace from which on they are a sign
LEAST_OF_KIND = 2  # the same of one kind of edit
HALF = 0.5
FRUITLESS = 3  # repairs of a tool that have found nothing


class Habit(Contract):
    """One instinct: what to do, about what, and why."""

    kind: Literal["conservative", "last", "keep", "deprecate"]
    subject: str
    because: str

    @property
    def told(self) -> str:
        """Return it in one line."""
        return f"{self.kind} {self.subject}: {self.because}"


def of_fixes(answered: Sequence[Mapping[str, str]]) -> list[Habit]:
    """Return when to be conservative: `answered` has status and operator of each change.

    A workspace of whose changes half were rejected or taken back gets the smallest edits first; a
    kind of edit that was refused more often than accepted comes last.
    """
    refused = sum(one["status"] in REFUSED for one in answered)
    found = []
    if len(answered) >= LEAST and refused >= HALF * len(answered):
        why = f"{refused} of the last {len(answered)} changes were rejected or taken back"
        found.append(Habit(kind="conservative", subject="the search", because=why))
    by_kind = Counter(one["operator"] for one in answered if one["operator"])
    bad = Counter(one["operator"] for one in answered if one["status"] in REFUSED)
    for operator, times in sorted(by_kind.items()):
        if bad[operator] >= LEAST_OF_KIND and bad[operator] > HALF * times:
            why = f"{bad[operator]} of {times} such fixes were rejected or taken back"
            found.append(Habit(kind="last", subject=operator, because=why))
    return found


def of_tools(tools: Sequence[Json], valuable: float) -> list[Habit]:
    """Return which tools to keep and which to deprecate.

    Each has `name`, `value` (as the registry has it), `fruitless` repairs, and `alternatives`, the
    living tools of its capability.
    """
    found = []
    for one in tools:
        if one["value"] >= valuable:
            why = f"its value is {one['value']:g}: others rely on it"
            found.append(Habit(kind="keep", subject=one["name"], because=why))
        elif one["fruitless"] >= FRUITLESS and one["alternatives"]:
            others = ", ".join(one["alternatives"])
            why = f"{one['fruitless']} repairs have found nothing, and {others} can do the same"
            found.append(Habit(kind="deprecate", subject=one["name"], because=why))
    return found
