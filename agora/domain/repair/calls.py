"""Edits of names, calls, indices and slices: the right operation on the wrong thing."""

import ast
from collections.abc import Iterator

from agora.domain.repair.expressions import at, operand, replaced
from agora.domain.repair.source import Edit, Source

WRAPS = ("sorted", "len", "abs", "list", "str", "int", "set", "sum", "float", "tuple", "max", "min")
# What is forgotten to be called on a value of this type, the likeliest first
METHODS = {
    "str": ("split", "strip", "lower", "upper", "splitlines"),
    "dict": ("items", "values", "keys", "copy"),
    "list": ("copy",),
    "set": ("copy",),
}


def calls(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Swap, drop or add arguments, and unwrap a call."""
    if not isinstance(node, ast.Call):
        return
    arguments = [*node.args, *node.keywords]
    for i, left in enumerate(node.args):
        for right in node.args[i + 1 :]:
            parts = (*source.span(left), source.of(right)), (*source.span(right), source.of(left))
            what = f"swap the arguments `{source.of(left)}` and `{source.of(right)}`"
            yield Edit(source.path, node.lineno, parts, "swap_arguments", what, 1.5)
    for i, argument in enumerate(arguments):
        rest = ", ".join(source.of(a) for j, a in enumerate(arguments) if j != i)
        what = f"leave the argument `{source.of(argument)[:40]}` out"
        yield _called(source, node, rest, "drop_argument", what, 2.2)
    yield from _unwrapped(source, node)
    yield from _completed(source, node)


def _unwrapped(source: Source, node: ast.Call) -> Iterator[Edit]:
    for argument in node.args[:2]:
        what = f"use `{source.of(argument)[:40]}` as it is"
        yield replaced(source, node, source.of(argument), "unwrap", what, 2.1)
    if isinstance(node.func, ast.Attribute) and not isinstance(node.func.value, ast.Constant):
        what = f"leave `.{node.func.attr}()` out"
        yield replaced(source, node, source.of(node.func.value), "drop_method", what, 2.0)


def _completed(source: Source, node: ast.Call) -> Iterator[Edit]:
    """Add the argument that is forgotten most."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else source.of(node.func)
    given = ", ".join(source.of(a) for a in (*node.args, *node.keywords))
    extra: tuple[str, ...] = ()
    if name in ("split", "rsplit", "replace") and node.args:
        extra = ("1",)
    elif name in ("sorted", "sort", "min", "max") and node.args or name == "sort":
        known = {k.arg for k in node.keywords}
        wanted = ("key=len", "key=str", "key=abs", "reverse=True", "default=0", "default=None")
        extra = tuple(k for k in wanted if k.split("=")[0] not in known)
        extra = extra[:4] if name in ("sorted", "sort") else extra[:3] + extra[4:]
    elif name in ("get", "pop", "getattr") and len(node.args) == (2 if name == "getattr" else 1):
        extra = ("0", "None", "''", "[]", "False")
    elif name in ("open", "encode", "decode", "read_text"):
        extra = ('encoding="utf-8"',)
    elif name in ("enumerate", "round", "sum") and len(node.args) == 1:
        extra = ("1", "2")
    for place, text in enumerate(extra):
        what = f"add the argument `{text}`"
        arguments = f"{given}, {text}" if given else text
        yield _called(source, node, arguments, "add_argument", what, 2.0 + 0.15 * place)


def _called(
    source: Source, node: ast.Call, arguments: str, operator: str, what: str, cost: float
) -> Edit:
    start, end = source.span(node.func)[1], source.span(node)[1]
    return at(source, node, (start, end, f"({arguments})"), operator, what, cost)


def bounds(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Move an index, a bound of a slice or range, a limit or an argument by one."""
    if isinstance(node, ast.Call) and source.of(node.func) == "range":
        yield from _ranges(source, node)
    if not isinstance(node, ast.expr) or isinstance(node, ast.Constant | ast.Slice | ast.Tuple):
        return
    cost = _shift_cost(source, node)
    if cost:
        text = source.of(node)
        for sign in ("+", "-"):
            what = f"use `{text[:40]} {sign} 1`"
            new = f"{operand(source, node)} {sign} 1" if _is_low(node) else f"{text} {sign} 1"
            yield replaced(source, node, new, "off_by_one", what, cost)


def _is_low(node: ast.expr) -> bool:
    return isinstance(node, ast.IfExp | ast.BoolOp | ast.Compare | ast.Lambda)


def _shift_cost(source: Source, node: ast.expr) -> float:
    """Return how far-fetched it is that one too many or few stands here; 0 for never."""
    above = source.parents.get(node)
    if not isinstance(node, ast.Name | ast.BinOp | ast.Call | ast.Attribute | ast.Subscript):
        return 0.0
    if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
        return 0.0
    if isinstance(above, ast.Subscript) and above.slice is node or isinstance(above, ast.Slice):
        return 1.6
    if isinstance(above, ast.Call) and node in above.args:
        return 1.7 if source.of(above.func) == "range" else 2.3
    if isinstance(above, ast.Compare):
        return 2.1
    return 2.6 if isinstance(above, ast.Return | ast.Assign | ast.BinOp) else 0.0


def _ranges(source: Source, node: ast.Call) -> Iterator[Edit]:
    texts = [source.of(a) for a in node.args]
    if len(texts) == 1:
        for start in ("1", "2"):
            what = f"start the range at {start}"
            yield _called(source, node, f"{start}, {texts[0]}", "range_start", what, 1.7)
    if len(texts) == 2:
        what = "start the range at 0"
        yield _called(source, node, texts[1], "range_start", what, 1.8)
        backwards = f"{texts[1]} - 1, {texts[0]} - 1, -1"
        yield _called(source, node, backwards, "range_step", "count down", 2.6)


def wrappings(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Wrap a value in a call, or await it."""
    above = source.parents.get(node)
    if isinstance(node, ast.Call) and not isinstance(above, ast.Await):
        if isinstance(source.function(node), ast.AsyncFunctionDef):
            what = "await the call"
            yield replaced(source, node, f"await {source.of(node)}", "await", what, 1.2)
    if not isinstance(node, ast.Name | ast.Call | ast.Subscript | ast.BinOp | ast.ListComp):
        return
    if isinstance(getattr(node, "ctx", None), ast.Store):
        return
    if isinstance(above, ast.Return | ast.Assign | ast.For | ast.Compare | ast.BinOp | ast.Call):
        if isinstance(above, ast.Call) and node is above.func:
            return
        base = 2.5 if isinstance(above, ast.Return) else 2.9
        for place, wrap in enumerate(WRAPS):
            what = f"take `{wrap}()` of it"
            new = f"{wrap}({source.of(node)})"
            yield replaced(source, node, new, "wrap", what, base + 0.06 * place)
        yield from _methods(source, node)
        negative = f"-{operand(source, node)}"
        yield replaced(source, node, negative, "minus", "turn the sign", base)


def _methods(source: Source, node: ast.expr) -> Iterator[Edit]:
    """Call a method on a variable, by what it was seen to hold."""
    if isinstance(node, ast.Name):
        kind = source.variables(node).get(node.id, "")
        for place, name in enumerate(METHODS.get(kind, ())):
            what = f"take `.{name}()` of it"
            cost = 2.5 + 0.06 * place
            yield replaced(source, node, f"{node.id}.{name}()", "add_method", what, cost)
