"""The inquiry into a failure: where it may be, the smallest input that shows it, who wrote it.

Zeller, Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28(2), 2002.
"""

import ast
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

from agora.domain import git
from agora.domain.contracts import Contract
from agora.domain.repair.hunt import PROBED_S, Hunt, Rehearsal
from agora.domain.repair.locate import Call, Observation, suspicion
from agora.domain.repair.sandbox import Sandbox
from agora.domain.repair.territory import OWN_MARKS, is_core
from agora.domain.repair.trials import TestRun
from agora.domain.repair.workspace import TestCommand

SUSPECTS, REDUCED, ROUNDS, TRIED = 5, 2, 12, 40
"""Lines and inputs that a report names; rounds of a reduction, and inputs of one round."""
COMMITS = 3
S = TypeVar("S", str, list[Any], tuple[Any, ...])


class Inquiry(Contract):
    """What is known of a failure beside the words of its tests; a line of text each."""

    suspects: tuple[str, ...] = ()
    reduced: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    improvable: str = ""

    @property
    def report(self) -> str:
        """Return it as people read it."""
        parts = {
            "Most suspicious lines:": self.suspects,
            "Smallest inputs that fail so:": self.reduced,
            "Who changed the first of these lines last:": self.history,
        }
        told = [f"{head}\n" + "\n".join(f"  {one}" for one in v) for head, v in parts.items() if v]
        return "\n".join([*told, *filter(None, [self.improvable])])


def inquire(
    sandbox: Sandbox,
    tree: Path,
    command: TestCommand,
    before: TestRun,
    *,
    timeout_s: float,
    cancel: Event | None = None,
) -> Inquiry:
    """Run the failing tests under observation; raises SandboxFailedError."""
    deadline = time.monotonic() + timeout_s
    hunt = Hunt(
        sandbox, tree, command, before, deadline, cancel or Event(), lambda tried, survivors: None
    )
    if hunt.is_cold:
        return Inquiry(
            improvable="A file cannot even be imported: only the lines that raise are tried."
        )
    with ExitStack() as stack:
        (rehearsal,) = hunt.rehearsals(stack, 1)
        paths = [source.path for source in hunt.sources]
        scores = suspicion(hunt.observed, before.failures.values(), paths)
        likely = sorted(scores, key=lambda line: (-scores[line], line))[:SUSPECTS]
        return Inquiry(
            suspects=tuple(
                f"{_shown(tree, *one)}  (suspicion {scores[one]:.2f})" for one in likely
            ),
            reduced=tuple(_reductions(rehearsal, hunt)),
            history=_history(command.root, *likely[0]) if likely else (),
            improvable=_improvable(tree, [path for path, _ in scores]),
        )


def _shown(tree: Path, path: str, line: int) -> str:
    lines = (tree / path).read_bytes().decode("utf-8", "replace").splitlines()
    return f"{path}:{line}: {lines[line - 1].strip() if line <= len(lines) else ''}"


def _improvable(tree: Path, paths: Sequence[str]) -> str:
    own = {mark for mark in OWN_MARKS if (tree / mark).is_file()}
    core = sorted({path for path in paths if is_core(path, own)})
    if not paths:
        return "Not improvable: the failing tests execute no source of the workspace."
    if len(core) == len(set(paths)):
        return f"Not improvable by a patch of ours: {core[0]} is a person's work."
    return f"Improvable: the failing tests execute {len(set(paths))} of its files."


def _history(root: Path, path: str, line: int) -> tuple[str, ...]:
    """Return the last commits of a line: hash, day, author, subject."""
    wanted = ("-s", f"-n{COMMITS}", "--format=%h %as %an: %s", f"-L{line},{line}:{path}", "HEAD")
    try:
        return tuple(git.read(root, "log", *wanted).splitlines())
    except git.GitError:
        return ()


def _reductions(rehearsal: Rehearsal, hunt: Hunt) -> Iterator[str]:
    """Yield the smallest calls that raise what calls of failing tests raise."""
    calls = _called(hunt.observed, {source.path for source in hunt.sources})
    marks = _answers(rehearsal, hunt, calls)
    raising = [(call, m) for call, m in zip(calls, marks, strict=False) if m.startswith("!")]
    for call, mark in raising[:REDUCED]:
        for _ in range(ROUNDS):
            smaller = list(dict.fromkeys(_smaller(call)))[:TRIED]
            said = zip(smaller, _answers(rehearsal, hunt, smaller), strict=False)
            found = next((one for one, answer in said if answer == mark), None)
            if found is None:
                break
            call = found
        yield f"{call.name}({', '.join(call.arguments)}) raises {mark[1:].partition(' ')[0]}"


def _called(observed: Sequence[Observation], paths: set[str]) -> list[Call]:
    calls = [call for test in observed if not test.passed for call in test.calls]
    plain = [one for one in calls if one.path in paths and one.name.isidentifier()]
    return list(dict.fromkeys(one for one in plain if _values(one) is not None))[:TRIED]


def _values(call: Call) -> list[Any] | None:
    try:
        return [ast.literal_eval(text) for text in call.arguments]
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _answers(rehearsal: Rehearsal, hunt: Hunt, calls: Sequence[Call]) -> list[str]:
    if not calls:
        return []
    order = {"calls": [call.as_json() for call in calls], "candidates": [{}], "lines": True}
    said = rehearsal.ask(order | {"deadline_s": hunt.patience_s + PROBED_S})
    return [str(one) for one in said["behaviours"][0]]


def _smaller(call: Call) -> Iterator[Call]:
    values = _values(call) or []
    for place, value in enumerate(values):
        for less in _less(value):
            changed = [*values[:place], less, *values[place + 1 :]]
            yield call.but(arguments=tuple(map(repr, changed)))


def _less(value: Any) -> Iterator[Any]:
    """Yield simpler values of the same kind, the simplest first."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        simple: tuple[Any, ...] = (type(value)(0), type(value)(1), value // 2, value - 1)
        yield from (one for one in simple if abs(one) < abs(value))
    elif isinstance(value, str):
        yield from _shorter(value)
    elif isinstance(value, list):
        yield from _shorter(value)
        for place, item in enumerate(value[:10]):
            yield from ([*value[:place], less, *value[place + 1 :]] for less in _less(item))
    elif isinstance(value, tuple):
        yield from _shorter(value)
    elif isinstance(value, dict):
        yield from ({k: v for k, v in value.items() if k != key} for key in list(value)[:10])


def _shorter(value: S) -> Iterator[S]:
    half = len(value) // 2
    yield from (one for one in (value[:0], value[:half], value[half:]) if len(one) < len(value))
    yield from (value[:i] + value[i + 1 :] for i in range(min(len(value), 10)))
