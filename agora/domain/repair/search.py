"""Searching for a patch: edits in order of likelihood, thousands of them in a few sandboxes.

Le Goues, Nguyen, Forrest, Weimer, "GenProg", IEEE TSE 38(1), 2012; the order is ours.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from agora.domain.repair.diffs import diff_of
from agora.domain.repair.edits import Attempt
from agora.domain.repair.hunt import Hunt
from agora.domain.repair.sandbox import Sandbox
from agora.domain.repair.trials import TestRun
from agora.domain.repair.workspace import TestCommand

SHOWN = 8  # survivors that a search returns


@dataclass(frozen=True)
class Candidate:
    """A patch that passed all tests, and why it stands where it stands among its rivals."""

    diff: str
    path: str
    line: int
    operator: str
    description: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Search:
    """What a search has found, best first."""

    candidates_tried: int
    seconds: float
    survivors: tuple[Candidate, ...]


def search(
    sandbox: Sandbox,
    tree: Path,
    command: TestCommand,
    before: TestRun,
    *,
    timeout_s: float,
    candidates: int,
    seed: int = 0,
    workers: int = 2,
    cancel: Event | None = None,
    progress: Callable[[int, int], None] = lambda tried, survivors: None,
) -> Search:
    """Return patches after which every test of `before` passes, the most trustworthy first.

    Tries at most `candidates` within `timeout_s` seconds; the same seed tries the same ones.
    """
    started = time.monotonic()
    hunt = Hunt(sandbox, tree, command, before, started + timeout_s, cancel or Event(), progress)
    chosen = hunt.cold(candidates) if hunt.is_cold else hunt.warm(workers, candidates, seed)
    survivors = tuple(_candidate(tree, attempt, reasons) for attempt, reasons in chosen[:SHOWN])
    return Search(hunt.tried, time.monotonic() - started, survivors)


def _candidate(tree: Path, attempt: Attempt, reasons: tuple[str, ...]) -> Candidate:
    first = attempt.edits[0]
    what = ", and ".join(edit.what for edit in attempt.edits)
    place = f"{first.path}:{first.line}"
    operator = "+".join(edit.operator for edit in attempt.edits)
    return Candidate(
        diff_of(tree, attempt.edits), first.path, first.line, operator, f"{place}: {what}", reasons
    )
