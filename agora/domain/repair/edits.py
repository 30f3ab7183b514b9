"""All edits of a workspace in the order in which they are tried: singles first, then pairs.

The kinds are those of real one-line bugs; Just, Jalali, Ernst, "Defects4J", ISSTA 2014, and
Karampatsis, Sutton, "How Often Do Single-Statement Bugs Occur?", MSR 2020.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from agora.domain.repair import (
    branching,
    calls,
    constants,
    expressions,
    guards,
    naming,
    pieces,
    statements,
)
from agora.domain.repair.locate import Line
from agora.domain.repair.source import Edit, Function, Source
from agora.domain.repair.trials import Failure

OPERATORS = (
    expressions.comparisons,
    expressions.arithmetic,
    expressions.assignments,
    expressions.conditions,
    constants.constants,
    naming.names,
    naming.targets,
    naming.functions,
    calls.calls,
    calls.bounds,
    pieces.slices,
    calls.wrappings,
    pieces.keys,
    pieces.choices,
    naming.exceptions,
    statements.removals,
    statements.moves,
    branching.branches,
    statements.returns,
    branching.loops,
    branching.repeats,
    statements.defaults,
    guards.skips,
    guards.conjuncts,
)
DISTRUST = 2.0  # what a line costs that no evidence points at
PAIRED = 60  # how many of the likeliest edits are combined with each other


@dataclass(frozen=True)
class Attempt:
    """One or two edits that are tried together."""

    edits: tuple[Edit, ...]
    cost: float
    context: str = ""  # the kinds of node that the edit changes, and that it stands in

    @property
    def operator(self) -> str:
        """Return the kinds of edit, as the solution library knows them."""
        return "+".join(edit.operator for edit in self.edits)

    @property
    def parts(self) -> dict[str, list[list[int | str]]]:
        """Return the edits by path, as the rehearsal reads them."""
        return {
            path: [list(part) for e in self.edits if e.path == path for part in e.parts]
            for path in dict.fromkeys(e.path for e in self.edits)
        }


def singles(
    sources: Sequence[Source],
    scores: Mapping[Line, float],
    failures: Sequence[Failure],
    wanted: Sequence[str],
) -> list[Attempt]:
    """Return every edit of a suspicious line once, the likeliest first."""
    seen: dict[tuple[str, bytes], Attempt] = {}
    for source in sources:
        places: dict[tuple[int, int], str] = {}
        for edit in _edits(source, scores, failures, wanted):
            score = max(scores.get((edit.path, edit.line), 0.0), 0.0)
            attempt = Attempt(
                (edit,), edit.cost + DISTRUST * (1 - score), _context(source, edit, places)
            )
            content = source.edited(edit.parts)
            known = seen.get((edit.path, content))
            if content != source.content and (known is None or known.cost > attempt.cost):
                seen[edit.path, content] = attempt
    return sorted(seen.values(), key=lambda attempt: attempt.cost)


def pairs(attempts: Sequence[Attempt]) -> Iterator[Attempt]:
    """Yield two edits at once, the likeliest first; never two of the same place."""
    best = attempts[:PAIRED]
    both = [
        Attempt((*one.edits, *other.edits), one.cost + other.cost, f"{one.context}+{other.context}")
        for i, one in enumerate(best)
        for other in best[i + 1 :]
        if not _overlap(one, other)
    ]
    yield from sorted(both, key=lambda attempt: attempt.cost)


def _overlap(one: Attempt, other: Attempt) -> bool:
    return any(
        a.path == b.path and start < after and begin < end or (start, end) == (begin, after)
        for a in one.edits
        for b in other.edits
        for start, end, _ in a.parts
        for begin, after, _ in b.parts
    )


def _edits(
    source: Source,
    scores: Mapping[Line, float],
    failures: Sequence[Failure],
    wanted: Sequence[str],
) -> Iterator[Edit]:
    for node in _suspects(source, scores):
        yield from chain.from_iterable(operator(source, node) for operator in OPERATORS)
        yield from guards.small_inputs(source, node, wanted)
        yield from guards.answers(source, node, failures, wanted)


def _context(source: Source, edit: Edit, known: dict[tuple[int, int], str]) -> str:
    start, end, _ = edit.parts[0]
    if (start, end) not in known:
        known[start, end] = source.context(start, end)
    return known[start, end]


def _suspects(source: Source, scores: Mapping[Line, float]) -> Iterator[ast.AST]:
    """Yield nodes of suspicious lines, of their functions, and of the module's constants."""
    lines = {line for path, line in scores if path == source.path}
    for node in ast.walk(source.tree):
        if isinstance(node, Function):
            if lines & set(range(node.lineno, (node.end_lineno or node.lineno) + 1)):
                yield node
        elif isinstance(node, ast.comprehension):
            if lines & _span(source.statement(node)):
                yield node
        elif isinstance(node, ast.expr | ast.stmt | ast.ExceptHandler):
            if lines & _span(source.statement(node)) or _is_initial(source, node):
                yield node


def _span(statement: ast.stmt) -> set[int]:
    """Return a statement's own lines: those of its head where it has a body."""
    body = getattr(statement, "body", None)
    last = body[0].lineno - 1 if body else statement.end_lineno or statement.lineno
    return set(range(statement.lineno, max(last, statement.lineno) + 1))


def _is_initial(source: Source, node: ast.AST) -> bool:
    """Return whether a node belongs to a value that the module itself sets up."""
    statement = node if isinstance(node, ast.stmt) else None
    for above in source.above(node):
        if isinstance(above, Function | ast.ClassDef):
            return False
        statement = above if isinstance(above, ast.stmt) else statement
    return isinstance(statement, ast.Assign | ast.AnnAssign)
