"""Healing: which fault calls for which remedy, when it is over, and when a person has to know.

Hysteresis keeps a fault that comes and goes from being healed at every look: it is an incident
after so many bad looks, and over after so many good ones. A remedy is tried a few times; then the
next one; then a person is told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from agora.domain.contracts import Json

Kind = Literal[
    "slow_model",
    "dead_model",
    "lying_model",
    "database_gone",
    "database_restarted",
    "database_full",
    "index_corrupt",
    "redis_gone",
    "disk_full",
    "clock_jumped",
    "loop_blocked",
    "process_lost",
    "memory_short",
    "overloaded",
    "capability_failed",
    "part_failed",
]
FLAPPING = 5
"""So many incidents of one fault within an hour are more than remedies: a person is told."""
HOUR_S = 3600.0


@dataclass(frozen=True)
class Signal:
    """What one look says of one possible fault."""

    kind: Kind
    subject: str
    is_bad: bool
    cause: str = ""

    @property
    def name(self) -> str:
        """Return the subject of the incident."""
        return f"{self.kind} {self.subject}"


@dataclass(frozen=True)
class Rule:
    """How a fault is treated: remedies in turn, each so often, with so many looks between."""

    remedies: tuple[str, ...]
    after: int = 1  # bad looks that make an incident
    clear: int = 2  # good looks that end it
    tries: int = 2  # of each remedy
    patience: int = 2  # bad looks until the next try


RULES: Mapping[Kind, Rule] = {
    "slow_model": Rule(("shift_weight",), clear=2, tries=1),
    "dead_model": Rule(("open_breaker",), tries=1),
    "lying_model": Rule(("shift_weight",), clear=3, tries=1),
    "database_gone": Rule(("restart_pool",), tries=5, patience=1),
    "database_restarted": Rule(("resume_runs",), clear=1),
    "database_full": Rule(("make_room",), tries=3),
    "index_corrupt": Rule(("rebuild_index",), clear=1),
    "redis_gone": Rule(("rest_redis",), tries=1),
    "disk_full": Rule(("make_room",), tries=3),
    "clock_jumped": Rule(("trust_no_age",), clear=1),
    "loop_blocked": Rule(("shed_load",), clear=3, tries=1),
    "process_lost": Rule(("take_over",), clear=1),
    "memory_short": Rule(("free_memory", "shed_load"), clear=3, tries=1, patience=1),
    "overloaded": Rule(("shed_load",), after=2, clear=3, tries=1),
    "capability_failed": Rule(("pause_capability",), clear=1, tries=1),
    "part_failed": Rule((), after=2),
}
LASTING = frozenset({"shift_weight", "open_breaker", "rest_redis", "shed_load"})
"""Remedies that mend nothing themselves, and hold the harm off for as long as they are in force."""


@dataclass(frozen=True)
class Course:
    """How an incident goes, as it stands in its evidence."""

    bad: int = 0  # looks in a row
    good: int = 0
    is_open: bool = False
    waited: int = 0  # bad looks since the last remedy
    tried: tuple[str, ...] = ()
    is_told: bool = False

    @classmethod
    def read(cls, kept: Json) -> "Course":
        """Return the course that a record keeps."""
        return cls(**(kept | {"tried": tuple(kept.get("tried", ()))}))


@dataclass(frozen=True)
class Step:
    """What is to be done after a look."""

    course: Course
    opens: bool = False
    remedy: str = ""
    tells: bool = False  # remedies are used up: a person has to know
    closes: bool = False


def step(course: Course, rule: Rule, is_bad: bool) -> Step:
    """Return what follows from one more look."""
    return _bad(course, rule) if is_bad else _good(course, rule)


def _good(course: Course, rule: Rule) -> Step:
    course = replace(course, bad=0, good=course.good + 1)
    if course.is_open and course.good >= rule.clear:
        return Step(Course(), closes=True)
    return Step(course)


def _bad(course: Course, rule: Rule) -> Step:
    course = replace(course, bad=course.bad + 1, good=0)
    if not course.is_open:
        if course.bad < rule.after:
            return Step(course)
        return replace(_treated(replace(course, is_open=True), rule), opens=True)
    course = replace(course, waited=course.waited + 1)
    return _treated(course, rule) if course.waited >= rule.patience else Step(course)


def _treated(course: Course, rule: Rule) -> Step:
    """Return the next try: each remedy as often as allowed, then the next one, then a person."""
    for remedy in rule.remedies:
        if course.tried.count(remedy) < rule.tries:
            tried = (*course.tried, remedy)
            return Step(replace(course, tried=tried, waited=0), remedy=remedy)
    if course.is_told or is_held(course):
        return Step(replace(course, waited=0))
    return Step(replace(course, is_told=True, waited=0), tells=True)


def is_held(course: Course) -> bool:
    """Return whether a remedy in force holds the harm off: then nobody has to be told."""
    return any(one in LASTING for one in course.tried)


def verdict(course: Course) -> str:
    """Return how an incident ended: passed by itself, healed, or with a person told of it."""
    if course.is_told:
        return "told"
    return "healed" if course.tried else "passed"
