"""What the visible tests and docstrings say: inputs, expected answers, constants."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from agora.domain.repair.trials import Failure, TestRun


def expected_answers(tree: Path, failures: Sequence[Failure]) -> tuple[str, ...]:
    """Return the plain values that failing asserts expect, such as `None`, `0` or `[]`."""
    found: dict[str, None] = {}
    for failure in failures:
        for path, line in failure.frames[:1]:
            for answer in _answers(tree / path, line):
                found[answer] = None
    return tuple(found)


def known_constants(tree: Path, before: TestRun) -> frozenset[str]:
    """Return the constants of the files whose tests fail, as Python writes them."""
    files = {name.partition("::")[0] for name in before.failing}
    return frozenset(
        repr(node.value)
        for file in files
        for node in ast.walk(_parsed(tree / file))
        if isinstance(node, ast.Constant)
    )


def _answers(path: Path, line: int) -> Iterator[str]:
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Assert) and node.lineno <= line <= (node.end_lineno or line):
            if isinstance(node.test, ast.Compare) and len(node.test.comparators) == 1:
                for side in (node.test.left, node.test.comparators[0]):
                    if _is_plain(side):
                        yield ast.unparse(side)
            elif isinstance(node.test, ast.UnaryOp):
                yield "False"


def _is_plain(node: ast.expr) -> bool:
    """Return whether a value is too plain to betray an input."""
    if isinstance(node, ast.Constant):
        return node.value in (None, True, False, 0, 1, "", b"")
    if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
        return node.operand.value == 1
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return not node.elts
    return isinstance(node, ast.Dict) and not node.keys


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ast.Module([], [])
