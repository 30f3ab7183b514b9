"""Edits of whole statements: what was left out, stands too deep, or should not be there."""

import ast
import textwrap
from collections.abc import Iterator

from agora.domain.repair.expressions import at
from agora.domain.repair.source import Edit, Function, Source, body_of

Simple = (
    ast.Assign
    | ast.AugAssign
    | ast.AnnAssign
    | ast.Expr
    | ast.Return
    | ast.Raise
    | ast.Assert
    | ast.Break
    | ast.Continue
    | ast.Delete
    | ast.Pass
)


def removals(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Leave a statement out, or run it whatever its condition says."""
    if not isinstance(node, ast.stmt) or not source.stands_alone(node):
        return
    if isinstance(node, ast.If) and is_elif(source, node):
        return
    if isinstance(node, Simple | ast.If | ast.For | ast.While) and not is_docstring(source, node):
        start, end = source.line_start(node.lineno), source.line_end(node.end_lineno or node.lineno)
        alone = len(block_of(source, node)) == 1
        text = f"{source.indent(node)}pass\n" if alone else ""
        what = f"leave `{_head(source, node)}` out"
        cost = 1.8 if isinstance(node, Simple) else 2.6
        yield at(source, node, (start, end, text), "remove", what, cost)
    if isinstance(node, ast.If) and not node.orelse:
        what = f"do it without asking `{source.of(node.test)[:40]}`"
        text = lines_of(source, node.body, source.indent(node))
        yield at(source, node, (*whole(source, node), text), "drop_if", what, 2.4)


def moves(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Swap neighbours, or move a statement out of its block or into the one before."""
    if not isinstance(node, ast.stmt) or not source.stands_alone(node):
        return
    block = block_of(source, node)
    place = block.index(node) if node in block else -1
    if 0 <= place < len(block) - 1 and source.stands_alone(block[place + 1]):
        after = block[place + 1]
        first, second = whole(source, node), whole(source, after)
        texts = source.content[slice(*first)].decode(), source.content[slice(*second)].decode()
        if not _is_definition(node) and not _is_definition(after) and first[1] == second[0]:
            part = (first[0], second[1], _ended(texts[1]) + texts[0])
            what = f"do `{_head(source, after)}` before `{_head(source, node)}`"
            yield at(source, node, part, "swap_statements", what, 2.2)
    yield from _outward(source, node, block)
    yield from _inward(source, node, block, place)


def _outward(source: Source, node: ast.stmt, block: list[ast.stmt]) -> Iterator[Edit]:
    above = source.parents.get(node)
    loops = ast.For | ast.While | ast.If | ast.With | ast.Try
    if not isinstance(above, loops) or node is not block[-1] or len(block) < 2:
        return
    ends = above.end_lineno == node.end_lineno
    indent = source.indent(above)
    if ends:
        part = (*whole(source, node), lines_of(source, [node], indent))
        what = f"do `{_head(source, node)}` after the block instead of in it"
        yield at(source, node, part, "dedent", what, 1.7)


def _inward(source: Source, node: ast.stmt, block: list[ast.stmt], place: int) -> Iterator[Edit]:
    before = block[place - 1] if place > 0 else None
    if isinstance(before, ast.For | ast.While | ast.If) and isinstance(node, Simple):
        inner = before.orelse or before.body
        indent = source.indent(inner[-1])
        part = (*whole(source, node), lines_of(source, [node], indent))
        what = f"do `{_head(source, node)}` inside of the block before it"
        yield at(source, node, part, "indent", what, 2.2)
        if isinstance(before, ast.If) and not before.orelse:
            base = source.indent(before)
            text = f"{base}else:\n{lines_of(source, [node], base + '    ')}"
            what = f"do `{_head(source, node)}` only otherwise"
            yield at(source, node, (*whole(source, node), text), "into_else", what, 2.2)


def returns(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Return or yield what is only computed, and return at the end what was built."""
    if isinstance(node, ast.Expr) and source.stands_alone(node) and not is_docstring(source, node):
        start = source.span(node)[0]
        if not isinstance(node.value, ast.Yield | ast.YieldFrom | ast.Await):
            what = f"return `{_head(source, node)}`"
            yield at(source, node, (start, start, "return "), "add_return", what, 1.4)
            what = f"yield `{_head(source, node)}`"
            yield at(source, node, (start, start, "yield "), "add_yield", what, 2.2)
            what = f"yield from `{_head(source, node)}`"
            yield at(source, node, (start, start, "yield from "), "add_yield", what, 2.2)
    if isinstance(node, ast.Return) and node.value is not None:
        yield from _other_returns(source, node, node.value)
    if isinstance(node, Function):
        yield from _last_return(source, node)


def _other_returns(source: Source, node: ast.Return, value: ast.expr) -> Iterator[Edit]:
    start, end = source.span(node)
    text = source.of(value)
    texts = [t for t in ("None", "True", "False", "0", '""', "[]") if t != text]
    for place, other in enumerate(texts):
        what = f"return `{other}`"
        added = () if other in ("None", "True", "False") else (other,)
        cost = 2.6 + 0.1 * place
        part = ((start, end, f"return {other}"),)
        yield Edit(source.path, node.lineno, part, "return_constant", what, cost, added)
    for name in source.variables(node):
        if name != text:
            what = f"return `{name}`"
            yield at(source, node, (start, end, f"return {name}"), "return_variable", what, 2.4)
    if isinstance(value, ast.Call | ast.Compare | ast.BoolOp | ast.Name):
        what = "return the opposite"
        new = (
            f"return not {text}"
            if isinstance(value, ast.Call | ast.Name)
            else f"return not ({text})"
        )
        yield at(source, node, (start, end, new), "negate_return", what, 2.0)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        receiver = source.of(value.func.value)
        new = f"{text}\n{source.indent(node)}return {receiver}"
        what = f"return `{receiver}` after `{text[:40]}`"
        yield at(source, node, (start, end, new), "return_receiver", what, 1.9)


def _last_return(source: Source, function: Function) -> Iterator[Edit]:
    last = function.body[-1]
    if isinstance(last, ast.Return | ast.Raise) or not source.stands_alone(last):
        return
    end = source.line_end(last.end_lineno or last.lineno)
    head = "" if source.content[:end].endswith(b"\n") else "\n"
    indent = source.indent(last)
    for name in [*source.variables(last), "True", "False", "0", "[]", '""']:
        what = f"return `{name}` at the end"
        part = (end, end, f"{head}{indent}return {name}\n")
        yield at(source, last, part, "last_return", what, 1.8)


def inserted(
    source: Source, node: ast.stmt, text: str, what: str, cost: float, *, after: bool = False
) -> Edit:
    """Return an edit that adds a statement before or after another one."""
    lines = textwrap.indent(text, source.indent(node))
    place = source.line_end(node.end_lineno or 0) if after else source.line_start(node.lineno)
    head = "\n" if after and not source.content[:place].endswith(b"\n") else ""
    return at(source, node, (place, place, f"{head}{lines}\n"), "insert", what, cost)


def defaults(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Make a new list, set or dictionary for each call."""
    if not isinstance(node, Function):
        return
    arguments = [*node.args.posonlyargs, *node.args.args]
    paired = [*zip(arguments[::-1], node.args.defaults[::-1], strict=False)]
    paired += [
        (a, d) for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d
    ]
    first = body_of(node)[:1]
    for argument, default in paired:
        is_fresh = isinstance(default, ast.List | ast.Dict | ast.Set | ast.Call)
        if not is_fresh or not first or not source.stands_alone(first[0]):
            continue
        name, made = argument.arg, source.of(default)
        indent = source.indent(first[0])
        text = f"{indent}if {name} is None:\n{indent}    {name} = {made}\n"
        start = source.line_start(first[0].lineno)
        parts = ((*source.span(default), "None"), (start, start, text))
        what = f"make a new `{name}` for each call"
        yield Edit(source.path, first[0].lineno, parts, "mutable_default", what, 1.2)


def block_of(source: Source, node: ast.stmt) -> list[ast.stmt]:
    """Return the statements among which this one stands."""
    above = source.parents.get(node)
    for field in ("body", "orelse", "finalbody"):
        block = getattr(above, field, None)
        if isinstance(block, list) and node in block:
            return block
    return [node]


def whole(source: Source, node: ast.stmt) -> tuple[int, int]:
    """Return the span of all lines of a statement."""
    return source.line_start(node.lineno), source.line_end(node.end_lineno or node.lineno)


def lines_of(source: Source, block: list[ast.stmt], indent: str) -> str:
    """Return the lines of a block, moved to another indentation."""
    start = source.line_start(block[0].lineno)
    end = source.line_end(block[-1].end_lineno or block[-1].lineno)
    if not source.stands_alone(block[0]):
        start = source.span(block[0])[0]
    text = textwrap.dedent(source.content[start:end].decode().replace("\r\n", "\n"))
    return _ended(textwrap.indent(text, indent))


def _ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def _head(source: Source, node: ast.stmt) -> str:
    first = source.of(node).split("\n", 1)[0]
    return first if len(first) <= 60 else first[:59] + "…"


def is_elif(source: Source, node: ast.If) -> bool:
    """Return whether an `if` is written as `elif`."""
    return source.content[source.span(node)[0] :].startswith(b"elif")


def is_docstring(source: Source, node: ast.stmt) -> bool:
    """Return whether a statement is a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_definition(node: ast.stmt) -> bool:
    return isinstance(node, Function | ast.ClassDef | ast.Import | ast.ImportFrom)
