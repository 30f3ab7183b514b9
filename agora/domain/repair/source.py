"""A source file as a repair sees it: its syntax tree, where each node stands, and edits of text.

Edits replace bytes, never whole files, so that comments and layout of all other lines stay.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

Function = ast.FunctionDef | ast.AsyncFunctionDef
Part = tuple[int, int, str]  # bytes from, to, and what stands there instead


@dataclass(frozen=True)
class Edit:
    """One way to change a file; `cost` grows with how far it strays from what people get wrong."""

    path: str
    line: int
    parts: tuple[Part, ...]
    operator: str
    what: str  # one sentence a person understands
    cost: float
    added: tuple[str, ...] = ()  # constants that were not there before


@dataclass(frozen=True)
class Source:
    """One file of the tree."""

    path: str
    content: bytes
    types: Mapping[int, Mapping[str, str]] = field(default_factory=dict)  # of locals, as seen
    helpers: tuple[str, ...] = ()  # names of functions that this file can call

    @cached_property
    def tree(self) -> ast.Module:
        """Return the syntax tree; raise SyntaxError or ValueError where there is none."""
        return ast.parse(self.content)

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """Return the node above each node."""
        return {
            below: above for above in ast.walk(self.tree) for below in ast.iter_child_nodes(above)
        }

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        for line in self.content.split(b"\n"):
            starts.append(starts[-1] + len(line) + 1)
        return starts

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return the bytes from which and up to which a node stands."""
        assert isinstance(node, ast.expr | ast.stmt | ast.arg | ast.keyword | ast.ExceptHandler)
        assert node.end_lineno is not None and node.end_col_offset is not None
        start = self._starts[node.lineno - 1] + node.col_offset
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset

    def of(self, node: ast.AST) -> str:
        """Return a node's own text."""
        start, end = self.span(node)
        return self.content[start:end].decode()

    def between(self, left: ast.AST, right: ast.AST) -> tuple[int, int]:
        """Return the span between two nodes, without the parentheses that close and open there."""
        return self.span(left)[1], self.span(right)[0]

    def line_start(self, line: int) -> int:
        """Return where a line begins."""
        return self._starts[line - 1]

    def line_end(self, line: int) -> int:
        """Return where the line after this one begins."""
        return min(self._starts[line], len(self.content))

    def indent(self, statement: ast.stmt) -> str:
        """Return the white space in front of a statement's line."""
        line = self.content[self.line_start(statement.lineno) :]
        return line[: len(line) - len(line.lstrip(b" \t"))].decode()

    def context(self, start: int, end: int) -> str:
        """Return the kind of the innermost node around some bytes, and the place it stands in."""
        found: ast.AST = self.tree
        place, within = "Module", True
        while within:
            within = False
            for below, where in _placed(found):
                first, last = self.span(below)
                if first <= start and end <= last:
                    found, place, within = below, where, True
                    break
        return f"{type(found).__name__} in {place}"

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the nodes around this one, the innermost first."""
        while (parent := self.parents.get(node)) is not None:
            yield parent
            node = parent

    def function(self, node: ast.AST) -> Function | None:
        """Return the innermost function around a node."""
        return next((above for above in self.above(node) if isinstance(above, Function)), None)

    def statement(self, node: ast.AST) -> ast.stmt:
        """Return the innermost statement that a node is part of."""
        if isinstance(node, ast.stmt):
            return node
        return next(above for above in self.above(node) if isinstance(above, ast.stmt))

    def stands_alone(self, statement: ast.stmt) -> bool:
        """Return whether nothing else stands on the lines of this statement."""
        start, end = self.span(statement)
        head = self.content[self.line_start(statement.lineno) : start]
        tail = self.content[end : self.line_end(statement.end_lineno or statement.lineno)]
        return not head.strip() and not tail.split(b"#")[0].strip()

    def variables(self, node: ast.AST) -> dict[str, str]:
        """Return names that a function binds, with the type they were seen to hold ("" unknown)."""
        function = self.function(node)
        if function is None:
            return {}
        seen: Mapping[str, str] = {}
        for around in (function, *self.above(function)):
            if isinstance(around, Function):
                first = min([around.lineno, *(d.lineno for d in around.decorator_list)])
                seen = {**self.types.get(first, {}), **seen}
        names = dict.fromkeys(bound(function), "")
        return {name: seen.get(name, "") for name in names}

    def edited(self, parts: tuple[Part, ...]) -> bytes:
        """Return the content with these parts replaced."""
        content = self.content
        newline = "\r\n" if b"\r\n" in content else "\n"
        for start, end, text in sorted(parts, reverse=True):
            content = content[:start] + text.replace("\n", newline).encode() + content[end:]
        return content


def _placed(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Yield the nodes below that have a place in the text, each with its parent and field."""
    for field_, value in ast.iter_fields(node):
        for below in value if isinstance(value, list) else [value]:
            if isinstance(below, ast.expr | ast.stmt | ast.arg | ast.keyword | ast.ExceptHandler):
                yield below, f"{type(node).__name__}.{field_}"
            elif isinstance(below, ast.AST):
                yield from _placed(below)


def bound(function: Function) -> Iterator[str]:
    """Yield the names of a function's parameters and variables."""
    arguments = function.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        yield argument.arg
    for star in (arguments.vararg, arguments.kwarg):
        if star is not None:
            yield star.arg
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def body_of(function: Function) -> list[ast.stmt]:
    """Return a function's statements without its docstring."""
    first = function.body[0]
    has_docstring = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    return function.body[1:] if has_docstring else function.body
