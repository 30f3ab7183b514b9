"""Patterns over tools: one function that three files repeat becomes a utility that they share.

Needs no model: the copies are the same to the last node, so that sharing one changes nothing.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agora.domain.repair.diffs import unified
from agora.domain.repair.suspicions import findings
from agora.domain.repair.territory import is_test, trespass

LEAST_FILES = 3
LEAST_STATEMENTS = 2  # a shorter body is shorter than its import
MOST = 2_000  # files that are looked at


@dataclass(frozen=True)
class Pattern:
    """A function that several files of one folder define alike."""

    name: str
    paths: tuple[str, ...]
    diff: str

    @property
    def report(self) -> str:
        """Return it as people read it."""
        listed = "\n".join(f"  {path}" for path in self.paths)
        return f"{self.name} is defined alike in {len(self.paths)} files:\n{listed}"


@dataclass(frozen=True)
class _Copy:
    path: str
    content: bytes
    module: ast.Module
    node: ast.FunctionDef


def patterns(tree: Path) -> Iterator[Pattern]:
    """Yield what could be shared, what most files repeat first."""
    groups: dict[tuple[str, str, str], list[_Copy]] = {}
    for copy in _copies(tree):
        key = (str(Path(copy.path).parent), copy.node.name, ast.dump(copy.node))
        groups.setdefault(key, []).append(copy)
    for (folder, name, _), copies in sorted(groups.items(), key=lambda item: -len(item[1])):
        shared = str(Path(folder) / f"shared_{name.strip('_')}.py")
        if len(copies) >= LEAST_FILES and not (tree / shared).exists():
            if diff := _shared(tree, shared, copies):
                yield Pattern(name, tuple(copy.path for copy in copies), diff)


def _copies(tree: Path) -> Iterator[_Copy]:
    for place in sorted(tree.rglob("*.py"))[:MOST]:
        path = str(place.relative_to(tree))
        if is_test(path) or trespass(path) or place.is_symlink():
            continue
        content = place.read_bytes()
        try:
            module = ast.parse(content)
        except (SyntaxError, ValueError):
            continue
        for node in module.body:
            if (
                isinstance(node, ast.FunctionDef)
                and len(list(_statements(node))) > LEAST_STATEMENTS
            ):
                if not node.decorator_list and b"\r" not in content:
                    yield _Copy(path, content, module, node)


def _statements(node: ast.FunctionDef) -> Iterator[ast.stmt]:
    return (below for below in ast.walk(node) if isinstance(below, ast.stmt))


def _shared(tree: Path, shared: str, copies: Sequence[_Copy]) -> str:
    """Return the diff that shares a function; "" where that would change what it does."""
    needs = [_needs(copy) for copy in copies]
    if needs[0] is None or any(one != needs[0] for one in needs):
        return ""
    first = copies[0]
    text = _text(first)
    head = "\n".join(needs[0])
    body = f'"""Shared by {len(copies)} files of this folder."""\n\n'
    body += f"{head}\n\n\n{text}\n" if head else f"\n{text}\n"
    changed = {copy.path: (copy.content, _without(tree, copy, shared)) for copy in copies}
    if any(_is_refused(old, new) for old, new in changed.values()):
        return ""
    added = unified({shared: (b"", body.encode())})
    fresh = added.replace(f"--- a/{shared}\n", "new file mode 100644\n--- /dev/null\n")
    return fresh + unified(changed)


def _needs(copy: _Copy) -> list[str] | None:
    """Return the imports that a function needs; None where it needs anything else of its file."""
    import builtins

    own = {a.arg for n in ast.walk(copy.node) if isinstance(n, ast.arguments) for a in _args(n)}
    names = [n for n in ast.walk(copy.node) if isinstance(n, ast.Name)]
    own |= {n.id for n in names if not isinstance(n.ctx, ast.Load)} | {copy.node.name}
    free = {n.id for n in names} - own - set(vars(builtins))
    found: dict[str, str] = {}
    for node in copy.module.body:
        if isinstance(node, ast.Import | ast.ImportFrom) and not getattr(node, "level", 0):
            for alias in node.names:
                found[(alias.asname or alias.name).split(".")[0]] = ast.unparse(node)
    if any(isinstance(n, ast.Global | ast.Nonlocal) for n in ast.walk(copy.node)):
        return None
    return sorted({found[name] for name in free}) if free <= found.keys() else None


def _args(node: ast.arguments) -> list[ast.arg]:
    stars = [one for one in (node.vararg, node.kwarg) if one]
    return [*node.posonlyargs, *node.args, *node.kwonlyargs, *stars]


def _text(copy: _Copy) -> str:
    lines = copy.content.decode().splitlines()
    return "\n".join(lines[copy.node.lineno - 1 : copy.node.end_lineno])


def _without(tree: Path, copy: _Copy, shared: str) -> bytes:
    """Return a file that imports its function instead of defining it."""
    lines = copy.content.decode().splitlines(keepends=True)
    start, end = copy.node.lineno - 1, copy.node.end_lineno or copy.node.lineno
    while end < len(lines) and not lines[end].strip():
        end += 1
    rest = [*lines[:start], *lines[end:]]
    imports = [n for n in copy.module.body if isinstance(n, ast.Import | ast.ImportFrom)]
    at = max((n.end_lineno or n.lineno for n in imports if n.lineno <= start), default=0)
    if not at and ast.get_docstring(copy.module) is not None:
        at = copy.module.body[0].end_lineno or 1
    line = f"from {dotted(tree, shared)} import {copy.node.name}\n"
    gap = [] if imports and at else ["\n"]
    return "".join(
        [*rest[:at], *(gap if at else []), line, *(gap if not at else []), *rest[at:]]
    ).encode()


def dotted(tree: Path, shared: str) -> str:
    """Return how files of the same folder import the module."""
    folder = Path(shared).parent
    is_package = (tree / folder / "__init__.py").is_file()
    return ".".join(Path(shared).with_suffix("").parts) if is_package else Path(shared).stem


def _is_refused(old: bytes, new: bytes) -> bool:
    """Return whether the gate would take it for a check that is gone: that is left to people."""
    try:
        found = findings(ast.parse(old), ast.parse(new), frozenset())
        return any(one.is_refused for one in found)
    except (SyntaxError, ValueError):
        return True
