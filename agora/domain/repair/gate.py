"""The gate: no patch comes near a person's repository that breaks one of its rules.

`judge` reads the diff, `prove` runs the tests; both name the rule and the line.
"""

import ast
import contextvars
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

from agora.domain.contracts import TestReport, Verdict
from agora.domain.errors import SandboxFailedError
from agora.domain.repair import capabilities, suspicions
from agora.domain.repair.constructions import adds_test
from agora.domain.repair.patches import FilePatch, PatchError, apply, parse
from agora.domain.repair.sandbox import Sandbox
from agora.domain.repair.suspicions import Finding
from agora.domain.repair.territory import is_core, is_test, shadows, trespass
from agora.domain.repair.trials import LATE, TestRun, copied, run_tests
from agora.domain.repair.workspace import TestCommand

MOST_LINES = 300
MOST_CHARACTERS = 40_000
SLOWER = 3.0  # how much longer than before the tests may take …
SLACK_S = 1.0  # … beyond this
SLOW = "slower"
GREATER_MB = 128
ROUNDS = 2
Texts = Mapping[str, str]


def judge(tree: Path | Texts, diff: str, *, builds: bool = False) -> Verdict:
    """Return what the text of a diff deserves: nothing of it runs.

    What `builds` towards a goal may add files of tests and SQL; all other rules stay.
    `tree` is the folder that the diff was made against, or its files' texts by path.
    """
    texts = _texts(tree) if isinstance(tree, Path) else tree
    try:
        if len(diff) > MOST_CHARACTERS:
            raise PatchError("size", f"the diff has {len(diff)} characters")
        patches = parse(diff)
        _require_territory(patches, texts, builds)
        changed = apply(patches, texts)
        found = sorted(_findings(texts, changed, builds), key=lambda one: not one[1].is_refused)
    except PatchError as error:
        return Verdict(verdict="refuse", rule=error.rule, reason=str(error))
    for path, finding in found:
        kind = "refuse" if finding.is_refused else "flag"
        reason = f"{path}:{finding.line}: {finding.reason}"
        return Verdict.model_validate({"verdict": kind, "rule": finding.rule, "reason": reason})
    return Verdict(verdict="accept")


def prove(
    sandbox: Sandbox,
    tree: Path,
    command: TestCommand,
    diff: str,
    before: TestRun,
    *,
    timeout_s: float = 60.0,
    cancel: Event | None = None,
    repairs: bool = True,
) -> tuple[Verdict, TestReport | None]:
    """Run all tests twice with the patch; what `before` names must pass, as much as it did.

    What `repairs` must mend something; what only moves code must leave all tests as they were.
    Raises SandboxFailedError where the runner itself did not work: no verdict.
    """
    with copied(tree) as patched:
        write(patched, diff)

        def rounds(before: TestRun) -> tuple[Verdict, list[TestRun]]:
            each_s = max(2.0, SLOWER * max(before.durations.values(), default=0.0))

            def trial() -> TestRun:
                return run_tests(
                    sandbox, patched, command, timeout_s=timeout_s, each_s=each_s, cancel=cancel
                )

            runs = twice(trial)
            verdicts = [_proved(before, run, repairs) for run in runs]
            return next((v for v in verdicts if v.verdict == "refuse"), verdicts[0]), runs

        verdict, runs = rounds(before)
        if verdict.rule == SLOW:
            # The machine may be busier than it was when the old version was timed.
            now = run_tests(sandbox, tree, command, timeout_s=timeout_s, cancel=cancel)
            verdict, runs = rounds(before.but(durations=now.durations))
    return verdict, _report(before, runs)


def twice(trial: Callable[[], TestRun]) -> list[TestRun]:
    """Return what the tests do in each of two rounds, side by side."""
    with ThreadPoolExecutor(ROUNDS) as pool:
        waiting = [pool.submit(contextvars.copy_context().run, trial) for _ in range(ROUNDS)]
        return [one.result() for one in waiting]


def _proved(before: TestRun, after: TestRun, repairs: bool = True) -> Verdict:
    """Return whether every test that counts passes, within the bounds of the old version."""
    lost = [name for name in before.outcomes if name not in after.outcomes]
    skipped = [name for name in after.ids("skipped") if before.outcomes.get(name) != "skipped"]
    failing = [name for name in after.failing if before.counts(name)]
    foreign = sorted(set(after.tampered) - set(before.tampered))
    if repairs and not before.failing:
        return _no("nothing_to_repair", "no test failed before")
    if foreign:
        return _no("test_runner", f"replaces {foreign[0]}")
    if skipped:
        return _no("skips", f"{skipped[0]} is skipped now")
    if failing:
        why = after.failures.get(failing[0])
        said = why.message if why else "no result"
        return _no(SLOW if said == LATE else "tests", f"{failing[0]} fails: {said}"[:300])
    # A file that could not be collected before has tests of its own now.
    if [name for name in lost if "::" in name]:
        return _no("same_tests", f"{lost[0]} is gone")
    bound = SLOWER * sum(before.durations.values()) + SLACK_S
    if sum(after.durations.values()) > bound:
        return _no(SLOW, f"the tests take longer than {bound:.1f} s")
    if before.memory_mb and after.memory_mb > SLOWER * before.memory_mb + GREATER_MB:
        return _no("memory", f"the tests need {after.memory_mb:.0f} MiB")
    return Verdict(verdict="accept")


def _no(rule: str, reason: str) -> Verdict:
    return Verdict(verdict="refuse", rule=rule, reason=reason)


def _report(before: TestRun, runs: list[TestRun]) -> TestReport:
    """Return one report of both rounds: a test passes that passed twice."""
    failing = {name for run in runs for name in run.failing if before.counts(name)}
    passing = [name for name in runs[0].passing if name not in failing]
    return TestReport(
        failing_before=before.failing,
        failing_after=tuple(sorted(failing)),
        passing_after=tuple(passing),
        seconds=max(run.seconds for run in runs),
    )


def _texts(tree: Path) -> Texts:
    """Return the files of a tree that are text; links are not followed."""
    found = {}
    for path in sorted(tree.rglob("*")):
        place = path.relative_to(tree)
        if ".git" in place.parts or path.is_symlink() or not path.is_file():
            continue
        if path.stat().st_size < 1_000_000:
            found[str(place)] = path.read_bytes().decode("utf-8", "surrogateescape")
    return found


def write(tree: Path, diff: str) -> None:
    """Put a diff's result into a copy; raise SandboxFailedError where it does not fit."""
    patches = parse(diff)
    for patch in patches:
        place = tree / patch.path
        if any(part.is_symlink() for part in (place, *place.parents) if part.is_relative_to(tree)):
            raise SandboxFailedError(f"{patch.path} leads through a link")
        old = None if patch.is_new else place.read_bytes().decode("utf-8", "surrogateescape")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(patch.applied(old).encode("utf-8", "surrogateescape"))


def _require_territory(patches: tuple[FilePatch, ...], texts: Texts, builds: bool = False) -> None:
    for patch in patches:
        if (rule := trespass(patch.path)) and not (builds and adds_test(patch)):
            raise PatchError(rule, f"{patch.path}: a repair does not touch {rule}")
        if is_core(patch.path, texts):
            raise PatchError("stable_core", f"{patch.path}: decides over patches: a person's work")
        if patch.is_deleted:
            raise PatchError("deletes", f"{patch.path}: a repair deletes no file")
        if patch.is_new and shadows(patch.path):
            raise PatchError("shadows_module", f"{patch.path}: has the name of another module")
        is_sql = builds and patch.is_new and patch.path.endswith(".sql")
        if not patch.path.endswith(".py") and not is_sql:
            raise PatchError("format", f"{patch.path}: only Python sources are repaired")
    if sum(patch.added for patch in patches) > MOST_LINES:
        raise PatchError("size", f"adds more than {MOST_LINES} lines")


def _findings(texts: Texts, changed: Texts, builds: bool) -> Iterator[tuple[str, Finding]]:
    known = suspicions.constants(_trees(texts))
    known_paths = (*texts, *changed) if builds else tuple(texts)
    local = {part for path in known_paths for part in Path(path).with_suffix("").parts}
    for path, text in changed.items():
        if path.endswith(".sql"):
            yield path, Finding("new_file", 1, "a migration is read first", False)
            continue
        old, new = _parsed(path, texts.get(path, "")), _parsed(path, text)
        if path in texts and suspicions.is_noop(old, new):
            yield path, Finding("noop", 1, "nothing changes but text that does nothing")
        if path not in texts:
            yield (
                path,
                Finding("new_file", 1, "a repair that needs a new file is read first", False),
            )
        gained = _gained(old, new, local)
        if is_test(path):  # only a construction adds tests, and those may speak to their runner
            gained = (one for one in gained if "pytest" not in one.reason)
            yield from ((path, one) for one in gained)
            continue
        yield from ((path, one) for one in gained)
        yield from ((path, one) for one in suspicions.findings(old, new, known))


def _gained(old: ast.Module, new: ast.Module, local: set[str]) -> Iterator[Finding]:
    """Yield capabilities that only the new version uses."""
    had = {(use.rule, use.name) for use in _all_uses(old, local)}
    for use in _all_uses(new, local):
        if (use.rule, use.name) not in had:
            reason = f"gains {use.rule.replace('_', ' ')}: {use.name}"
            yield Finding(use.rule, use.line, reason, use.is_refused or _leaks(use))


def _leaks(use: capabilities.Use) -> bool:
    return use.rule == "environment" and use.name.endswith((".items", ".values", ".copy"))


def _all_uses(tree: ast.Module, local: set[str]) -> list[capabilities.Use]:
    return [*capabilities.uses(tree), *capabilities.unknown_imports(tree, local)]


def _trees(texts: Texts) -> Iterator[ast.Module]:
    for path, text in texts.items():
        if is_test(path) and path.endswith(".py"):
            yield _parsed(path, text)


def _parsed(path: str, text: str) -> ast.Module:
    try:
        tree = ast.parse(text)
        compile(tree, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise PatchError("compiles", f"{path}:{line}: {error}") from None
    return tree
