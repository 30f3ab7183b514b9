"""Edits of branches and loops: swapped, chained, missing, or left at the wrong time."""

import ast
import re
from collections.abc import Iterator

from agora.domain.repair.expressions import at
from agora.domain.repair.source import Edit, Source
from agora.domain.repair.statements import (
    Simple,
    block_of,
    inserted,
    is_docstring,
    is_elif,
    lines_of,
    whole,
)


def branches(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Swap, chain, add or drop the branches of an `if`."""
    if not isinstance(node, ast.If) or not source.stands_alone(node) or is_elif(source, node):
        return
    indent = source.indent(node)
    inner = indent + "    "
    if node.orelse and not (len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If)):
        start, end = source.line_start(node.lineno), source.line_start(node.body[0].lineno)
        head = source.content[start:end].decode()
        text = (
            f"{head}{lines_of(source, node.orelse, inner)}{indent}else:\n"
            f"{lines_of(source, node.body, inner)}"
        )
        part = (*whole(source, node), text)
        yield at(source, node, part, "swap_branches", "swap the two branches", 2.0)
        text = head + lines_of(source, node.body, inner)
        yield at(source, node, (*whole(source, node), text), "drop_else", "drop `else`", 2.8)
        text = head + lines_of(source, node.body, inner) + lines_of(source, node.orelse, indent)
        part = (*whole(source, node), text)
        yield at(source, node, part, "flatten_else", "do the second branch always", 2.5)
    yield from _elses(source, node)
    yield from _chained(source, node)


def _elses(source: Source, node: ast.If) -> Iterator[Edit]:
    """Add an `else` that does as the last branch does, to another variable."""
    last = node
    while len(last.orelse) == 1 and isinstance(last.orelse[0], ast.If):
        last = last.orelse[0]
    if last.orelse or len(last.body) != 1 or not isinstance(last.body[0], Simple):
        return
    statement, indent = last.body[0], source.indent(node)
    end = source.line_end(node.end_lineno or node.lineno)
    for text in _variants(source, statement):
        what = f"do `{text}` otherwise"
        part = (end, end, f"{indent}else:\n{indent}    {text}\n")
        yield at(source, node, part, "add_else", what, 2.4)


def _chained(source: Source, node: ast.If) -> Iterator[Edit]:
    block = block_of(source, node)
    place = block.index(node) if node in block else 0
    before = block[place - 1] if place else None
    if isinstance(before, ast.If) and not before.orelse:
        start = source.span(node)[0]
        part = (start, start + 2, "elif")
        yield at(source, node, part, "elif", "check this only otherwise", 2.0)


def _variants(source: Source, statement: ast.stmt) -> Iterator[str]:
    """Yield a simple statement's text with each of its variables exchanged, one at a time."""
    text = source.of(statement)
    used = [n.id for n in ast.walk(statement) if isinstance(n, ast.Name)]
    variables = source.variables(statement)
    for old in dict.fromkeys(used):
        for name in variables:
            same = variables[name] == variables.get(old, "")
            if name not in used and old in variables and same:
                yield re.sub(rf"\b{re.escape(old)}\b", name, text)
    if isinstance(statement, ast.AugAssign):
        for old, rival in (("+=", "-="), ("-=", "+=")):
            if old in text:
                yield text.replace(old, rival)


def loops(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Exchange `break` and `continue`, `while` and `if`; leave a loop, go on, or take a step."""
    if isinstance(node, ast.Break | ast.Continue):
        old, new = ("break", "continue") if isinstance(node, ast.Break) else ("continue", "break")
        yield at(source, node, (*source.span(node), new), new, f"{new} instead of {old}", 1.8)
    if isinstance(node, ast.While):
        start = source.span(node)[0]
        yield at(source, node, (start, start + 5, "if"), "if", "ask only once", 2.6)
    if isinstance(node, ast.If) and not node.orelse and not is_elif(source, node):
        start = source.span(node)[0]
        yield at(source, node, (start, start + 2, "while"), "while", "repeat it", 2.4)
        inside = any(isinstance(a, ast.For | ast.While) for a in source.above(node))
        for word in ("break", "continue") if inside else ():
            yield inserted(source, node.body[-1], word, f"{word} then", 2.3, after=True)
    if isinstance(node, ast.While):
        for name in sorted({n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)}):
            for text in (f"{name} += 1", f"{name} -= 1"):
                yield inserted(
                    source, node.body[-1], text, f"do `{text}` in the loop", 2.3, after=True
                )


def repeats(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Do again, for another variable, what a statement does for one."""
    if isinstance(node, ast.AugAssign | ast.Expr) and source.stands_alone(node):
        if not is_docstring(source, node):
            for text in _variants(source, node):
                yield inserted(source, node, text, f"also do `{text[:60]}`", 2.7, after=True)
