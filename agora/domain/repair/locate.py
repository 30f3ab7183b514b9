"""Where the bug may be: lines that failing tests execute and passing ones do not.

Abreu, Zoeteweij, van Gemund, "On the Accuracy of Spectrum-based Fault Localization", TAIC 2007.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from agora.domain.contracts import Contract
from agora.domain.repair.trials import Failure

NEAR = 0.15  # how much a line gains by standing in the traceback of a failure


class Call(Contract):
    """A call that a test makes, its arguments as text."""

    path: str
    name: str
    arguments: tuple[str, ...]


class Observation(Contract):
    """What one test executed: lines by path, and the types that local variables held."""

    id: str
    passed: bool
    seconds: float  # of the processor, under observation
    late: bool = False
    lines: dict[str, tuple[int, ...]]
    types: dict[str, dict[str, str]] = {}  # by path:line of the function
    calls: tuple[Call, ...] = ()


Line = tuple[str, int]


def suspicion(
    observed: Sequence[Observation], failures: Iterable[Failure], files: Iterable[str]
) -> dict[Line, float]:
    """Return Ochiai's score in [0, 1] of each line that a failing test executes."""
    wanted = set(files)
    failing = [set(_lines(test, wanted)) for test in observed if not test.passed]
    passing = [set(_lines(test, wanted)) for test in observed if test.passed]
    suspects = set().union(*failing) if failing else set()
    scores = {line: _ochiai(line, failing, passing) for line in suspects}
    for failure in failures:
        for line in failure.frames:
            if line[0] in wanted:
                scores[line] = min(1.0, scores.get(line, 0.0) + NEAR)
    return scores


def _lines(test: Observation, files: set[str]) -> Iterable[Line]:
    return ((path, line) for path, lines in test.lines.items() if path in files for line in lines)


def _ochiai(line: Line, failing: Sequence[set[Line]], passing: Sequence[set[Line]]) -> float:
    failed = sum(line in lines for lines in failing)
    passed = sum(line in lines for lines in passing)
    return failed / math.sqrt(len(failing) * (failed + passed)) if failed else 0.0


def types_of(observed: Sequence[Observation], path: str) -> Mapping[int, Mapping[str, str]]:
    """Return the types that locals of a file's functions held, by the function's first line."""
    merged: dict[int, dict[str, str]] = {}
    for test in observed:
        for key, types in test.types.items():
            place, _, line = key.rpartition(":")
            if place == path:
                merged.setdefault(int(line), {}).update(types)
    return merged
