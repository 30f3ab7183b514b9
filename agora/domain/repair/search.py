"""Searching for a patch: edits in order of likelihood, thousands of them in a few sandboxes.

Le Goues, Nguyen, Forrest, Weimer, "GenProg", IEEE TSE 38(1), 2012; the order is ours.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from agora.domain.contracts import Json
from agora.domain.repair.diffs import diff_of
from agora.domain.repair.edits import Attempt
from agora.domain.repair.hunt import Hunt
from agora.domain.repair.proposals import Proposal, author
from agora.domain.repair.rank import Ranked, shown
from agora.domain.repair.sandbox import Sandbox
from agora.domain.repair.solutions import Instinct, remembered
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
    context: str = ""  # of the syntax tree, as the solution library keeps it
    by: str = ""  # the expert that has proposed it; "" for the search itself
    apart: Json = field(default_factory=dict)  # a call that it answers otherwise than the first


@dataclass(frozen=True)
class Search:
    """What a search has found, best first."""

    candidates_tried: int
    seconds: float
    survivors: tuple[Candidate, ...]
    until_first: int = 0  # candidates up to the first that passed; 0 where none did
    lesson: Json = field(default_factory=dict)  # what the library keeps once a fix is accepted


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
    instinct: Instinct | None = None,
    proposals: Sequence[Proposal] = (),
    rejected: Sequence[str] = (),
) -> Search:
    """Return patches after which every test of `before` passes, the most trustworthy first.

    Tries at most `candidates` within `timeout_s` seconds; the same seed tries the same ones.
    Edits come in the order of the `instinct`, experts' `proposals` before them, and a diff that
    was `rejected` never again.
    """
    started = time.monotonic()
    hunt = Hunt(
        sandbox,
        tree,
        command,
        before,
        started + timeout_s,
        cancel or Event(),
        progress,
        instinct or Instinct(),
        proposals,
        rejected,
    )
    chosen = hunt.cold(candidates) if hunt.is_cold else hunt.warm(workers, candidates, seed)
    survivors = tuple(_candidate(hunt, attempt, chosen) for attempt in chosen[:SHOWN])
    lesson = remembered(hunt.ones, hunt.found) if chosen and hunt.ones else {}
    seconds = time.monotonic() - started
    return Search(hunt.tried, seconds, survivors, hunt.until_first, lesson)


def _candidate(hunt: Hunt, ranked: tuple[Attempt, tuple[str, ...]], chosen: Ranked) -> Candidate:
    attempt, reasons = ranked
    first = attempt.edits[0]
    what = ", and ".join(edit.what for edit in attempt.edits)
    return Candidate(
        diff=diff_of(hunt.tree, attempt.edits),
        path=first.path,
        line=first.line,
        operator=attempt.operator,
        description=f"{first.path}:{first.line}: {what}",
        reasons=reasons,
        context=attempt.context,
        by=author(attempt),
        apart=_apart(hunt, attempt, chosen[0][0]),
    )


def _apart(hunt: Hunt, attempt: Attempt, first: Attempt) -> Json:
    """Return the first generated call that two patches answer differently; {} without any."""
    this, best = (hunt.answers.get(id(one), ()) for one in (attempt, first))
    olds = (*hunt.old_answers, *[""] * len(hunt.calls))
    for call, mine, its, old in zip(hunt.calls, this, best, olds, strict=False):
        if mine != its:
            told = {"this": shown(mine), "first": shown(its), "before": shown(old)}
            return {"call": f"{call.name}({', '.join(call.arguments)})"} | told
    return {}
