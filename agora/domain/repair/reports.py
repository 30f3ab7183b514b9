"""What fails in a workspace, as people read it, and what a search is to mend of it."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from agora.domain.contracts import Json
from agora.domain.repair.territory import is_test
from agora.domain.repair.trials import Failure, TestRun

MOST_FILES, MOST_READ, LONGEST = 4, 2_000, 12_000
"""How many files an expert reads, and are looked through; characters of one of them."""
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


def sources(before: TestRun, tree: Path) -> str:
    """Return the files that failures lead to, and the failing tests, as an expert reads them."""
    names = [name.partition("::")[0] for name in before.failing]
    frames = [path for f in before.failures.values() for path, _ in f.frames]
    called = {f.call.partition("(")[0].rpartition(".")[2] for f in before.failures.values()}
    defining = [path for path in _python(tree) if called & _defined(tree / path)]
    paths = dict.fromkeys(p for p in (*frames, *defining) if not is_test(p))
    texts = [_numbered(tree, path) for path in [*paths][:MOST_FILES]]
    tests = [_numbered(tree, path) for path in dict.fromkeys(names)][:2]
    return "\n\n".join([*texts, *tests])


def _python(tree: Path) -> list[str]:
    found = sorted(str(path.relative_to(tree)) for path in tree.rglob("*.py"))
    return [path for path in found if not is_test(path)][:MOST_READ]


def _defined(path: Path) -> set[str]:
    try:
        module = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return set()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.walk(module) if isinstance(node, kinds)}


def _numbered(tree: Path, path: str) -> str:
    try:
        text = (tree / path).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    return f"# {path}\n{text[:LONGEST]}"


def target(before: TestRun, attempt: int, entries: Mapping[str, str]) -> TestRun | None:
    """Return the run with those failing tests only that this attempt is to mend; None: no more.

    First all of them; where no one patch mends them all, those of one function after the other.
    """
    if not before.failing:
        return None
    groups = [list(before.failing), *_by_entry(before, entries)]
    if attempt >= len(groups) or (attempt and len(groups) == 2):
        return None  # with one function only, mending a part would be guessing
    left_out = set(before.failing) - set(groups[attempt])
    outcomes = {name: what for name, what in before.outcomes.items() if name not in left_out}
    return TestRun.model_validate(before.model_dump() | {"outcomes": outcomes})


def _by_entry(before: TestRun, entries: Mapping[str, str]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for name in before.failing:
        groups.setdefault(entries.get(name, name), []).append(name)
    return sorted(groups.values(), key=len, reverse=True)


def entries(before: TestRun, tree: Path) -> dict[str, str]:
    """Return for each failing test the function of the tree that it enters."""
    return {
        name: _entry(name.partition("::")[0], before.failures.get(name), tree)
        for name in before.failing
    }


def _entry(test_path: str, failure: Failure | None, tree: Path) -> str:
    if failure is None:
        return test_path
    if frames := [frame for frame in failure.frames if frame[0] != test_path]:
        return _function_at(tree / frames[0][0], frames[0][1])
    return failure.call.partition("(")[0]


def _function_at(path: Path, line: int) -> str:
    try:
        module = ast.parse(path.read_text("utf-8"))
    except (OSError, SyntaxError, ValueError):
        return path.name
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    around = [one for one in module.body if isinstance(one, kinds)]
    names = [one.name for one in around if one.lineno <= line <= (one.end_lineno or line)]
    return names[0] if names else path.name
