"""Edits of constants: the neighbours of a value, and what else the function holds."""

import ast
from collections.abc import Iterator

from agora.domain.repair.expressions import brief, replaced
from agora.domain.repair.source import Edit, Source

CODECS = {"ascii": "utf-8", "utf-8": "utf-8-sig", "latin-1": "utf-8", "cp1252": "utf-8"}


def constants(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Replace a constant by its neighbours and by the constants of the same function."""
    if not isinstance(node, ast.Constant) or _is_docstring(source, node):
        return
    value = node.value
    if isinstance(value, bool) or value is None:
        rivals: list[object] = [not value] if value is not None else [False, 0, ""]
    elif isinstance(value, int | float):
        rivals = _numbers(value)
    elif isinstance(value, str):
        rivals = _texts(value)
    else:
        return
    kept = _others(source, node)
    for place, rival in enumerate([*rivals, *(k for k in kept if k not in rivals)]):
        if type(rival) is type(value) and rival == value:
            continue
        is_known = rival in kept or place < 2
        cost = 1.4 + 0.12 * place if place < 8 else 2.6
        what = f"use `{rival!r}` instead of `{brief(source.of(node))}`"
        added = () if is_known else (repr(rival),)
        yield replaced(source, node, repr(rival), "constant", what, cost, added)


def _numbers(value: float) -> list[object]:
    if isinstance(value, int):
        near = [value + 1, value - 1, 0, 1, 2, -1, -value, value * 2, value + 2, value - 2, 10]
        return list(dict.fromkeys(near))
    inverse = [1 / value] if value else []
    return list(dict.fromkeys([*inverse, -value, value + 1, value - 1, 0.0, 1.0, 2.0, 0.5]))


def _texts(value: str) -> list[object]:
    codec = [CODECS[value.lower()]] if value.lower() in CODECS else []
    shorter = [value[:i] + value[i + 1 :] for i in range(len(value))] if len(value) < 20 else []
    doubled = [value + value] if len(value) == 1 else []
    cases = [value.lower(), value.upper(), value.strip(), value.title()]
    return list(dict.fromkeys([*codec, "", " ", *cases, *shorter, *doubled, ",", "\n"]))


def _others(source: Source, node: ast.Constant) -> list[object]:
    """Return the other constants of the same type in the same function."""
    around = source.function(node)
    if around is None:
        return []
    found: list[object] = [n.value for n in ast.walk(around) if isinstance(n, ast.Constant)]
    short: list[object] = [v for v in found if type(v) is type(node.value) and len(repr(v)) < 30]
    return [*dict.fromkeys(v for v in short if v != node.value)][:12]


def _is_docstring(source: Source, node: ast.Constant) -> bool:
    return isinstance(source.parents.get(node), ast.Expr | ast.JoinedStr | ast.FormattedValue)
