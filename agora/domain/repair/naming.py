"""Edits of names: the right operation on the wrong variable, function, attribute or exception."""

import ast
from collections.abc import Iterator

from agora.domain.repair.expressions import at, replaced
from agora.domain.repair.source import Edit, Source

# Functions and methods that people take for each other.
FAMILIES = (
    ("startswith", "endswith"),
    ("upper", "lower", "title", "capitalize", "swapcase"),
    ("isupper", "islower"),
    ("isdigit", "isalpha", "isalnum", "isspace", "isnumeric", "isdecimal"),
    ("append", "extend", "add", "update"),
    ("strip", "lstrip", "rstrip"),
    ("split", "rsplit", "splitlines"),
    ("find", "rfind", "index", "rindex", "count"),
    ("keys", "values", "items"),
    ("pop", "popleft", "popitem"),
    ("append", "appendleft", "insert"),
    ("remove", "discard", "pop"),
    ("intersection", "union", "difference", "symmetric_difference"),
    ("issubset", "issuperset", "isdisjoint"),
    ("min", "max", "sum", "len", "abs"),
    ("any", "all"),
    ("floor", "ceil", "trunc", "round"),
    ("int", "float", "str", "round"),
    ("sorted", "reversed", "list"),
    ("list", "set", "tuple"),
    ("range", "enumerate"),
    ("ljust", "rjust", "center", "zfill"),
    ("encode", "decode"),
    ("sin", "cos", "tan"),
    ("log", "log2", "log10"),
    ("get", "setdefault", "pop"),
    ("seconds", "total_seconds", "microseconds"),
    ("heappush", "heappop"),
    ("bisect_left", "bisect_right", "bisect"),
    ("now", "utcnow"),
    ("read", "readline", "readlines"),
    ("dumps", "dump", "loads", "load"),
    ("chain", "zip"),
    ("gcd", "lcm"),
    ("ord", "chr"),
    ("match", "search", "fullmatch"),
)
ERRORS = (
    "ValueError",
    "TypeError",
    "KeyError",
    "IndexError",
    "ZeroDivisionError",
    "AttributeError",
    "LookupError",
    "FileNotFoundError",
    "OSError",
)


def names(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Use another variable of the function, likeliest one that held the same type."""
    if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
        return
    variables = source.variables(node)
    if node.id not in variables:
        return
    kind = variables[node.id]
    for name, other in variables.items():
        if name == node.id:
            continue
        cost = 1.6 if other == kind else 2.2 if not (other and kind) else 3.0
        what = f"use `{name}` instead of `{node.id}`"
        yield replaced(source, node, name, "variable", what, cost)


def targets(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Assign to another variable, or unpack in another order."""
    if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Store):
        for i, left in enumerate(node.elts):
            for right in node.elts[i + 1 :]:
                parts = (
                    (*source.span(left), source.of(right)),
                    (*source.span(right), source.of(left)),
                )
                what = f"unpack `{source.of(left)}` and `{source.of(right)}` the other way round"
                yield Edit(source.path, node.lineno, parts, "unpacking", what, 1.8)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        statement = source.parents.get(node)
        if isinstance(statement, ast.Assign | ast.AugAssign):
            for name in source.variables(node):
                if name != node.id:
                    what = f"assign to `{name}` instead of `{node.id}`"
                    yield replaced(source, node, name, "target", what, 2.4)


def functions(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Call a related function or method, or read another attribute."""
    if isinstance(node, ast.Attribute):
        end = source.span(node)[1]
        start = end - len(node.attr.encode())
        for place, rival in enumerate(_kin(node.attr) + _siblings(source, node)):
            what = f"use `{rival}` instead of `{node.attr}`"
            part = (start, end, rival)
            yield at(source, node, part, "attribute", what, 1.5 + 0.1 * min(place, 8))
    if isinstance(node, ast.Name) and isinstance(source.parents.get(node), ast.Call):
        call = source.parents[node]
        if isinstance(call, ast.Call) and call.func is node:
            rivals = [*_kin(node.id), *(h for h in source.helpers if h != node.id)]
            for place, rival in enumerate(dict.fromkeys(rivals)):
                what = f"call `{rival}` instead of `{node.id}`"
                yield replaced(source, node, rival, "function", what, 1.5 + 0.1 * min(place, 10))


def exceptions(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Raise or catch another exception."""
    places: list[ast.expr] = []
    if isinstance(node, ast.ExceptHandler) and node.type is not None:
        places = [node.type]
    elif isinstance(node, ast.Raise) and node.exc is not None:
        places = [node.exc.func if isinstance(node.exc, ast.Call) else node.exc]
    for place in places:
        for error in ERRORS:
            what = f"use {error} instead of {source.of(place)}"
            if source.of(place) != error:
                yield replaced(source, place, error, "exception", what, 1.8)


def _kin(name: str) -> list[str]:
    kin = [rival for family in FAMILIES if name in family for rival in family if rival != name]
    return list(dict.fromkeys(kin))


def _siblings(source: Source, node: ast.Attribute) -> list[str]:
    """Return other attributes that the file reads from the same name."""
    if not isinstance(node.value, ast.Name):
        return []
    found = [
        other.attr
        for other in ast.walk(source.tree)
        if isinstance(other, ast.Attribute)
        and isinstance(other.value, ast.Name)
        and other.value.id == node.value.id
        and other.attr != node.attr
    ]
    return [name for name in dict.fromkeys(found) if name not in _kin(node.attr)][:10]
