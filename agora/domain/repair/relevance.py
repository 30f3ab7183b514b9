"""Which failing tests are about one tool: of all that fail, a repair of it is to mend those."""

from agora.domain.contracts import Json
from agora.domain.repair.trials import TestRun


def about(before: TestRun, evidence: Json) -> TestRun:
    """Return the run without the failing tests that are seen to enter another function.

    Where the opportunity is about no tool, and for a test that does not show what it enters, all
    stay.
    """
    if "tool" not in evidence:
        return before
    function = str(evidence["tool"]).rpartition(".")[2]
    foreign = {name for name in before.failing if _is_foreign(before, name, evidence, function)}
    outcomes = {name: what for name, what in before.outcomes.items() if name not in foreign}
    return TestRun.model_validate(before.model_dump() | {"outcomes": outcomes})


def _is_foreign(before: TestRun, name: str, evidence: Json, function: str) -> bool:
    failure, test_path = before.failures.get(name), name.partition("::")[0]
    entry = evidence.get("entries", {}).get(name, "")
    if failure is None or entry in ("", test_path, function):
        return False
    return all(path != evidence["path"] for path, _ in failure.frames)
