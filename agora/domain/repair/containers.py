"""Rewrites of what holds things: a set that is asked, a count, a queue, a list that grows."""

import ast
from collections.abc import Iterator

from agora.domain.repair.insertions import after, before, fresh, inserted
from agora.domain.repair.invariants import (
    assigned,
    has_equality,
    head_of,
    is_plain,
    is_read,
    kind_of,
    name_of,
    outermost,
    uses_of,
)
from agora.domain.repair.source import Edit, Part, Source, bound

LISTS = frozenset(("list", "tuple", "Sequence"))


def known(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Ask a set instead of a list whether it holds something."""
    if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.In | ast.NotIn):
        return
    name = name_of(node.comparators[0])
    if len(node.ops) > 1 or kind_of(source, name, node) not in LISTS or has_equality(source):
        return
    held = fresh(source, node, f"{name}_set")
    parts: list[Part | None] = [(*source.span(node.comparators[0]), held)]
    what = f"ask a set instead of the list {name} whether it holds something"
    if loop := outermost(source, node, [name]):
        parts.append(before(source, loop, f"{held} = set({name})"))
        yield from inserted(source, node, parts, "known_set", what)
    elif _is_in_loop(source, node) and (growing := _growing(source, node, name, held)):
        yield from inserted(source, node, [*growing, *parts], "known_set", what)


def _growing(source: Source, node: ast.expr, name: str, held: str) -> list[Part | None]:
    """Return what keeps a set beside a list that is only appended to; [] where more happens."""
    function = source.function(node)
    made = assigned(function, name) if function else []
    if function is None or len(made) != 1 or not isinstance(made[0], ast.List):
        return []
    parts = [after(source, source.statement(made[0]), f"{held} = set({name})")]
    for use in uses_of(function, name):
        if is_read(source, use) or isinstance(source.parents[use], ast.Return):
            continue
        item = _appended_to(source, use)
        if item is None or not is_plain(item):
            return []
        parts.append(after(source, source.statement(use), f"{held}.add({source.of(item)})"))
    return parts


def counted(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Count a list once instead of going through it for each thing that it may hold."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return
    name, is_count = name_of(node.func.value), node.func.attr == "count" and len(node.args) == 1
    loop = outermost(source, node, [name]) if is_count else None
    if loop is None or kind_of(source, name, node) not in LISTS or has_equality(source):
        return
    counts = fresh(source, node, f"{name}_counts")
    asked: Part = (*source.span(node), f"{counts}[{source.of(node.args[0])}]")
    parts = [before(source, loop, f"{counts} = Counter({name})"), asked]
    needs = ("collections", "Counter")
    yield from inserted(source, node, parts, "count", f"count {name} once", needs)


def appended(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Append to a list of one's own instead of copying it for each thing that is added."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.BinOp):
        return
    name, added, function = name_of(node.targets[0]), node.value.right, source.function(node)
    is_sum = isinstance(node.value.op, ast.Add) and name_of(node.value.left) == name != ""
    if function is None or not is_sum or not isinstance(added, ast.List) or len(added.elts) != 1:
        return
    others = [one for one in assigned(function, name) if one is not node.value]
    is_own = len(others) == 1 and isinstance(others[0], ast.List | ast.ListComp)
    is_own = is_own and list(bound(function)).count(name) == 2 and _is_in_loop(source, node)
    # Who has been given the list before would see it grow.
    uses = [one for one in uses_of(function, name) if one is not node.value.left]
    if is_own and all(
        is_read(source, n) or isinstance(source.parents[n], ast.Return) for n in uses
    ):
        part = (*source.span(node), f"{name}.append({source.of(added.elts[0])})")
        what = f"append to {name} instead of copying it"
        yield from inserted(source, node, [part], "append", what)


def queued(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Take from the front of a queue, not of a list whose other items then all move up."""
    function = source.function(node)
    if not isinstance(node, ast.Assign | ast.AnnAssign) or function is None:
        return
    target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
    name, value = name_of(target), node.value
    if not isinstance(value, ast.List) or assigned(function, name) != [value]:
        return
    parts: list[Part | None] = [(*source.span(value), f"deque({source.of(value)})")]
    if isinstance(node, ast.AnnAssign) and head_of(node.annotation) == "list":
        start, _ = source.span(node.annotation)
        parts.append((start, start + len("list"), "deque"))
    uses = [_taken(source, use) for use in uses_of(function, name)]
    taken = [call for use in uses if use for call in use]
    if None not in uses and taken and list(bound(function)).count(name) == 1:
        parts += [(*source.span(call), f"{name}.popleft()") for call in taken]
        what = f"take from the front of a queue instead of the list {name}"
        needs = ("collections", "deque")
        yield from inserted(source, node, parts, "queue", what, needs)


def _taken(source: Source, use: ast.Name) -> list[ast.Call] | None:
    """Return a `pop(0)`, [] for what a queue does as well, None for what it does not."""
    above = source.parents[use]
    call = source.parents[above]
    if isinstance(above, ast.Attribute) and isinstance(call, ast.Call) and call.func is above:
        if above.attr == "pop" and [source.of(one) for one in call.args] == ["0"]:
            return [call]
        return [] if above.attr in ("append", "extend") else None
    if isinstance(above, ast.Call):
        return [] if name_of(above.func) == "len" else None
    return [] if isinstance(above, ast.While | ast.If | ast.UnaryOp) else None


def _appended_to(source: Source, use: ast.Name) -> ast.expr | None:
    """Return what `use.append(…)` adds, where that is a statement of its own."""
    above = source.parents[use]
    call = source.parents[above]
    is_append = isinstance(above, ast.Attribute) and above.attr == "append"
    if is_append and isinstance(call, ast.Call) and isinstance(source.parents[call], ast.Expr):
        return call.args[0] if len(call.args) == 1 else None
    return None


def _is_in_loop(source: Source, node: ast.AST) -> bool:
    return any(isinstance(above, ast.For | ast.While) for above in source.above(node))
