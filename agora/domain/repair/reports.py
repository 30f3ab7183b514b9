"""What fails in a workspace, as people read it, and what a search is to mend of it."""

from collections.abc import Iterator

from agora.domain.contracts import Json
from agora.domain.repair.trials import Failure, TestRun

SHOWN = 8  # failing tests, and failing inputs, that a report spells out


def report(before: TestRun, evidence: Json) -> str:
    """Return what the tests and the recorded executions say, one finding a line."""
    return "\n".join([*_recorded(evidence), *_tested(before)])


def _recorded(evidence: Json) -> Iterator[str]:
    if "executions" not in evidence:
        return
    right, executions = evidence["right"], evidence["executions"]
    yield f"{evidence['tool']} gave the documented result in {right} of {executions} executions."
    for failure in evidence["failures"][-SHOWN:]:
        arguments = ", ".join(f"{k}={v!r}" for k, v in (failure["arguments"] or {}).items())
        yield f"  {evidence['tool']}({arguments}): {failure['error'] or 'another result'}"


def _tested(before: TestRun) -> Iterator[str]:
    yield f"{len(before.failing)} of {len(before.outcomes)} tests fail."
    for name in before.failing[:SHOWN]:
        yield f"  {name}: {_why(before.failures.get(name))}"
    if len(before.failing) > SHOWN:
        yield f"  and {len(before.failing) - SHOWN} more"


def _why(failure: Failure | None) -> str:
    if failure is None:
        return "gave no result"
    said = f"{failure.exception}: {failure.message}" if failure.message else failure.exception
    place = f" at {failure.path}:{failure.line}" if failure.path else ""
    values = ", ".join(f"{name} = {value}" for name, value in list(failure.values.items())[:4])
    return f"{said}{place}" + (f" ({values})" if values else "")


def target(before: TestRun, attempt: int) -> TestRun | None:
    """Return the run with those failing tests only that this attempt is to mend; None: no more.

    First all of them; where no one patch mends them all, those that fail at one place.
    """
    if not before.failing:
        return None
    groups = [list(before.failing), *_by_place(before)]
    if attempt >= len(groups) or (attempt and len(groups) == 2):
        return None  # with one place only there is nothing smaller to try
    left_out = set(before.failing) - set(groups[attempt])
    outcomes = {name: what for name, what in before.outcomes.items() if name not in left_out}
    return TestRun.model_validate(before.model_dump() | {"outcomes": outcomes})


def _by_place(before: TestRun) -> list[list[str]]:
    places: dict[object, list[str]] = {}
    for name in before.failing:
        failure = before.failures.get(name)
        tested = name.partition("::")[0]
        frames = [frame for frame in failure.frames if frame[0] != tested] if failure else []
        # A wrong result raises in the test itself: then the called function is the place.
        place = frames[-1] if frames else (failure.call.partition("(")[0] if failure else name)
        places.setdefault(place, []).append(name)
    return sorted(places.values(), key=len, reverse=True)
