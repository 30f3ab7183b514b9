"""Edits of slices, lookups, choices and displays: the wrong piece of the right thing."""

import ast
from collections.abc import Iterator

from agora.domain.repair.expressions import at, replaced
from agora.domain.repair.source import Edit, Source


def slices(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Drop a bound of a slice, reverse it, or take a slice of what is taken whole."""
    if isinstance(node, ast.Slice):
        for bound in filter(None, (node.lower, node.upper, node.step)):
            what = f"leave the bound `{source.of(bound)}` out"
            yield at(source, bound, (*source.span(bound), ""), "slice_bound", what, 1.9)
        start, end = source.span(node)
        if node.lower is None and node.upper is not None and node.step is None:
            text = f"{source.of(node.upper)}:"
            yield at(source, node.upper, (start, end, text), "slice_side", "take the rest", 2.0)
        if node.upper is None and node.lower is not None and node.step is None:
            text = f":{source.of(node.lower)}"
            yield at(source, node.lower, (start, end, text), "slice_side", "take the start", 2.0)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield from _sliced(source, node)


def _sliced(source: Source, node: ast.Name) -> Iterator[Edit]:
    above = source.parents.get(node)
    variables = source.variables(node)
    is_value = isinstance(above, ast.Call | ast.Return | ast.For | ast.comprehension | ast.Compare)
    is_function = isinstance(above, ast.Call) and above.func is node
    if (
        not is_value
        or is_function
        or variables.get(node.id, "int") not in ("list", "str", "tuple", "")
    ):
        return
    numbers = [name for name, kind in variables.items() if kind == "int"]
    forms = ["[::-1]", "[1:]", "[:-1]", *(f"[{n}{c}" for n in numbers for c in (":]", "]"))]
    for place, form in enumerate([*forms, *(f"[:{n}]" for n in numbers)]):
        what = f"use `{node.id}{form}` instead of `{node.id}`"
        yield replaced(source, node, node.id + form, "slice", what, 2.3 + 0.05 * min(place, 10))


def keys(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Look a key up with a default."""
    if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Load):
        return
    if isinstance(node.slice, ast.Slice):
        return
    for place, default in enumerate(("0", "None", '""', "[]", "False")):
        text = f"{source.of(node.value)}.get({source.of(node.slice)}, {default})"
        what = f"fall back to `{default}` where the key is missing"
        yield replaced(source, node, text, "get_default", what, 2.2 + 0.1 * place)


def choices(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Swap or drop the branches of an expression, drop filters and elements."""
    if isinstance(node, ast.IfExp):
        body, other = source.of(node.body), source.of(node.orelse)
        parts = (*source.span(node.body), other), (*source.span(node.orelse), body)
        yield Edit(source.path, node.lineno, parts, "swap_branches", "swap the two choices", 1.8)
        for kept in (body, other):
            yield replaced(source, node, kept, "one_choice", f"always take `{kept[:40]}`", 2.3)
    if isinstance(node, ast.comprehension):
        for condition in node.ifs:
            start, end = source.span(condition)
            head = source.content[:start].rstrip()
            if head.endswith(b"("):
                head, end = head[:-1].rstrip(), source.content.index(b")", end) + 1
            part = (len(head.removesuffix(b"if").rstrip()), end, "")
            yield at(source, condition, part, "drop_filter", "keep every element", 2.3)
    if isinstance(node, ast.List | ast.Tuple | ast.Set) and isinstance(
        getattr(node, "ctx", ast.Load()), ast.Load
    ):
        for i, element in enumerate(node.elts if 1 < len(node.elts) < 30 else []):
            span = _with_comma(source, node.elts, i)
            what = f"leave the element `{source.of(element)[:40]}` out"
            yield at(source, element, (*span, ""), "drop_element", what, 2.0)


def _with_comma(source: Source, elements: list[ast.expr], i: int) -> tuple[int, int]:
    if i + 1 < len(elements):
        return source.span(elements[i])[0], source.span(elements[i + 1])[0]
    return source.span(elements[i - 1])[1], source.span(elements[i])[1]
