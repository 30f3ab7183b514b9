"""Rewrites that make a pure function faster and leave what it gives: found by its syntax, no model.

Each is what slow functions were seen to need: work done again that was done before, and lists where
a set, a queue or a count is meant. None is believed: all are proved on calls (`races`).
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from agora.domain.repair.containers import appended, counted, known, queued
from agora.domain.repair.insertions import before, fresh, inserted
from agora.domain.repair.invariants import (
    SCALARS,
    head_of,
    is_plain,
    is_read,
    kind_of,
    name_of,
    names_in,
    outermost,
)
from agora.domain.repair.source import Edit, Source, bound

KEPT = 65_536
"""Results that one function remembers; what was not asked for longest is forgotten first."""
ROUNDS = 6
"""Rewrites that are made one after the other in what does all of them at once."""
HASHED = SCALARS - {"float"}  # 0.0 and -0.0 would share one result
UNCHANGING = SCALARS | {"complex", "Decimal", "Fraction"}
PLAIN_CALLS = frozenset(("sum", "max", "min"))
FRESH_CALLS = frozenset(("sorted", "set", "list", "tuple", "frozenset", "dict"))
TEXT_CALLS = frozenset(("lower", "upper", "strip", "casefold", "split", "splitlines"))
MODULE_CALLS = {"re": "compile", "json": "loads"}
CHANGEABLE = frozenset(("split", "splitlines", "loads"))


@dataclass(frozen=True)
class Speedup:
    """A file anew, and in one sentence what is different."""

    what: str
    text: str


def speedups(path: str, text: str, function: str) -> list[Speedup]:
    """Return each rewrite of a function alone, and all of them one after the other."""
    found = {one.text: one for one in _singles(path, text, function)}
    steps: list[Speedup] = []
    while len(steps) < ROUNDS:
        now = steps[-1].text if steps else text
        if not (step := next(_singles(path, now, function), None)):
            break
        steps.append(step)
    if len(steps) > 1:
        whole = Speedup("; ".join(one.what for one in steps), steps[-1].text)
        found.setdefault(whole.text, whole)
    return list(found.values())


def _singles(path: str, text: str, function: str) -> Iterator[Speedup]:
    source = Source(path, text.encode())
    for edit in edits(source, function):
        yield Speedup(edit.what, source.edited(edit.parts).decode())


def edits(source: Source, function: str) -> Iterator[Edit]:
    """Yield rewrites of a function, and of those of its module that it leads to."""
    for node in reached(source.tree, function):
        yield from memoised(source, node)
        for below in ast.walk(node):
            for rewrite in (hoisted, known, counted, appended, queued):
                yield from rewrite(source, below)


def reached(module: ast.Module, function: str) -> list[ast.FunctionDef]:
    """Return a function and those of its module that it leads to."""
    there = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    wanted, found = [function], dict[str, ast.FunctionDef]()
    while wanted:
        name = wanted.pop()
        if name in there and name not in found:
            found[name] = there[name]
            wanted += [one for one in names_in(there[name]) if one in there]
    return list(found.values())


def memoised(source: Source, node: ast.FunctionDef) -> Iterator[Edit]:
    """Remember the results of a function that calls itself more than once.

    Only where arguments are hashable and results cannot be altered: whoever gets a remembered list
    might alter it for everybody.
    """
    inside = list(ast.walk(node))
    itself = [n for n in inside if isinstance(n, ast.Call) and name_of(n.func) == node.name]
    is_lazy = any(isinstance(n, ast.Yield | ast.YieldFrom) for n in inside)
    arguments = node.args
    plain = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    is_hashed = plain and all(head_of(one.annotation) in HASHED for one in plain)
    if len(itself) < 2 or is_lazy or node.decorator_list or arguments.vararg or arguments.kwarg:
        return
    if is_hashed and never_changes(node.returns) and _rests_on_constants(source, node):
        start = source.line_start(node.lineno)
        part = (start, start, f"@lru_cache(maxsize={KEPT:_}, typed=True)\n")
        what = f"remember the results of {node.name}"
        yield from inserted(source, node, [part], "memoise", what, ("functools", "lru_cache"))


def hoisted(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Make a call once, before the loop that makes it again and again."""
    if not isinstance(node, ast.Call) or node.keywords or not all(map(is_plain, node.args)):
        return
    names = _rests_on(source, node)
    loop = outermost(source, node, names) if names is not None else None
    if loop is None:
        return
    mark = ast.dump(node)
    same = [n for n in ast.walk(loop) if isinstance(n, ast.Call) and ast.dump(n) == mark]
    # What can be altered may be shared by those who only read it.
    if not _is_unchanging(source, node) and not all(is_read(source, one) for one in same):
        return
    words = [*names_in(node.func), *names_in(*node.args)]
    words += [node.func.attr] if isinstance(node.func, ast.Attribute) else []
    once, made = (
        fresh(source, node, "_".join(dict.fromkeys(words))[:40].strip("_")),
        source.of(node),
    )
    given, asked, when, needs = made, once, "before the loop", None
    if may_raise(source, node):  # where the loop has nothing to do, it was never called
        given, asked = f"cache(lambda: {made})", f"{once}()"
        when, needs = "when the loop first needs it", ("functools", "cache")
    parts = [before(source, loop, f"{once} = {given}")]
    parts += [(*source.span(one), asked) for one in same]
    what = f"call `{made[:60]}` once, {when}"
    yield from inserted(source, node, parts, "hoist", what, needs)


def may_raise(source: Source, call: ast.Call) -> bool:
    """Return whether a call that can be hoisted may end otherwise than by a result."""
    if isinstance(call.func, ast.Attribute):
        is_text = kind_of(source, name_of(call.func.value), call) == "str"
        return not is_text and not all(isinstance(one, ast.Constant) for one in call.args)
    return name_of(call.func) not in FRESH_CALLS | {"sum"}


def _rests_on(source: Source, call: ast.Call) -> list[str] | None:
    """Return the names whose values decide what a call gives; None where that is not known."""
    called, names = call.func, list(dict.fromkeys(names_in(*call.args)))
    if not all(kind_of(source, name, call) for name in names):
        return None
    if isinstance(called, ast.Attribute):
        base = name_of(called.value)
        if MODULE_CALLS.get(base) == called.attr and _imports(source, base):
            return names
        is_text = called.attr in TEXT_CALLS and kind_of(source, base, call) == "str"
        return [base, *names] if is_text else None
    around, named = source.function(call), name_of(called)
    is_known = named in PLAIN_CALLS | FRESH_CALLS or reached(source.tree, named)
    return names if names and is_known and around and around.name != named else None


def _is_unchanging(source: Source, call: ast.Call) -> bool:
    """Return whether nobody can alter what a call gives, so that it may be given twice."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr not in CHANGEABLE
    ours = reached(source.tree, name_of(call.func))
    return never_changes(ours[0].returns) if ours else name_of(call.func) in PLAIN_CALLS


def never_changes(annotation: ast.expr | None) -> bool:
    """Return whether values of an annotation are scalars, or tuples of them."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return never_changes(annotation.left) and never_changes(annotation.right)
    if isinstance(annotation, ast.Subscript) and name_of(annotation.value) == "tuple":
        parts = annotation.slice
        return all(map(never_changes, parts.elts if isinstance(parts, ast.Tuple) else [parts]))
    if isinstance(annotation, ast.Constant):
        return annotation.value is None or annotation.value is ...
    return annotation is not None and name_of(annotation) in UNCHANGING


def _imports(source: Source, module: str) -> bool:
    return any(
        isinstance(node, ast.Import) and module in [one.asname or one.name for one in node.names]
        for node in source.tree.body
    )


def _rests_on_constants(source: Source, node: ast.FunctionDef) -> bool:
    """Return whether a function and what it calls read only constants of their module."""
    read = {
        name
        for one in reached(source.tree, node.name)
        for name in set(names_in(one)) - set(bound(one))
    }
    return all(
        isinstance(statement, ast.Assign | ast.AnnAssign) and _is_constant(statement.value)
        for statement in source.tree.body
        if not isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom)
        if read & set(names_in(statement))
    )


def _is_constant(value: ast.expr | None) -> bool:
    parts = value.elts if isinstance(value, ast.Tuple) else [value]
    return all(isinstance(one, ast.Constant) for one in parts)
