"""Tidying: what becomes of a tool that nobody calls, or that does what another one does.

Needs no model. Nothing happens by itself: each is a change that all tests must bear, and a person
must approve.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from agora.domain.registry import deletion
from agora.domain.repair.diffs import unified
from agora.domain.repair.patterns import dotted
from agora.domain.repair.reach import python_files

WARNED = "DeprecationWarning"


@dataclass(frozen=True)
class Tidying:
    """A diff and what it does, or why there is none."""

    title: str = ""
    diff: str = ""
    why: str = ""


def unused(tree: Path, path: str, function: str, because: str, *, is_used: bool) -> Tidying:
    """Take a function out that no file names; one that is named, or used, warns its callers."""
    source = (tree / path).read_text("utf-8")
    node = _function(source, function)
    if node is None:
        return Tidying(why=f"{path} has no function {function} any more")
    others = _naming(tree, path, source, node)
    if not others and not is_used:
        return Tidying(f"Archive {function}: nobody uses it", deletion(path, source, function))
    if WARNED in (ast.get_source_segment(source, node) or ""):
        return Tidying(why=f"it warns its callers already: {', '.join(others[:3])}")
    said = repr(f"{function}: {because}")
    call = f"warnings.warn({said}, {WARNED}, stacklevel=2)"
    text = _with_import(_with_first(source, node, call), "import warnings")
    return Tidying(f"Deprecate {function}", _changed(path, source, text))


def doubled(tree: Path, path: str, function: str, kept_path: str, kept: str) -> Tidying:
    """Let a function call the one that does the same, so that one of them is left to look after."""
    source, other = ((tree / one).read_text("utf-8") for one in (path, kept_path))
    node = _function(source, function)
    if node is None or _function(other, kept) is None:
        return Tidying(why="one of them is gone")
    if Path(path).parent != Path(kept_path).parent:
        return Tidying(why="they stand in different folders: who may import whom is for a person")
    if path != kept_path and re.search(
        rf"import .*\b{Path(path).stem}\b|\b{Path(path).stem} import", other
    ):
        return Tidying(why=f"{kept_path} imports {path}: each would need the other")
    name = kept if path == kept_path else f"_{kept}"
    text = _with_body(source, node, f"return {name}({_passed(node.args)})")
    if path != kept_path:
        line = f"from {dotted(tree, kept_path)} import {kept} as {name}"
        text = _with_import(text, line)
    return Tidying(f"Let {function} call {kept}: they do the same", _changed(path, source, text))


def _function(source: str, name: str) -> ast.FunctionDef | None:
    try:
        found = ast.parse(source).body
    except SyntaxError:
        return None
    return next((n for n in found if isinstance(n, ast.FunctionDef) and n.name == name), None)


def _naming(tree: Path, path: str, source: str, node: ast.FunctionDef) -> list[str]:
    """Return the files that say the name of a function, its own lines apart."""
    word = re.compile(rf"\b{node.name}\b")
    lines = source.splitlines()
    first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
    rest = "\n".join([*lines[: first - 1], *lines[node.end_lineno :]])
    found = [path] if word.search(rest) else []
    others = (one for one in python_files(tree) if one != path)
    return found + [
        one for one in others if word.search((tree / one).read_text("utf-8", "replace"))
    ]


def _passed(node: ast.arguments) -> str:
    """Return the arguments of a function as it passes them on."""
    plain = [one.arg for one in (*node.posonlyargs, *node.args)]
    stars = [f"{mark}{one.arg}" for mark, one in (("*", node.vararg), ("**", node.kwarg)) if one]
    named = [f"{one.arg}={one.arg}" for one in node.kwonlyargs]
    return ", ".join([*plain, *stars[:1], *named, *stars[1:]])


def _after_docstring(node: ast.FunctionDef) -> ast.stmt:
    has_docstring = ast.get_docstring(node) is not None
    return node.body[1] if has_docstring and len(node.body) > 1 else node.body[0]


def _with_first(source: str, node: ast.FunctionDef, line: str) -> str:
    lines, first = source.splitlines(), _after_docstring(node)
    at = first.lineno - 1
    return "\n".join([*lines[:at], " " * first.col_offset + line, *lines[at:], ""])


def _with_body(source: str, node: ast.FunctionDef, line: str) -> str:
    lines, first = source.splitlines(), _after_docstring(node)
    kept, rest = lines[: first.lineno - 1], lines[node.end_lineno :]
    return "\n".join([*kept, " " * first.col_offset + line, *rest, ""])


def _with_import(source: str, line: str) -> str:
    """Add an import after those that there are, else after the module's docstring."""
    if line in source.splitlines():
        return source
    body, lines = ast.parse(source).body, source.splitlines()
    imports = [one for one in body if isinstance(one, ast.Import | ast.ImportFrom)]
    above = imports[-1:] or (body[:1] if ast.get_docstring(ast.parse(source)) else [])
    at = above[0].end_lineno or 0 if above else 0
    gap = [""] if above and not imports else []
    below = [""] if not above else []
    return "\n".join([*lines[:at], *gap, line, *below, *lines[at:], ""])


def _changed(path: str, old: str, new: str) -> str:
    return unified({path: (old.encode(), new.encode())})
