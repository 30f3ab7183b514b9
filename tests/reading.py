"""The product's source, read by the tests that hold its shape."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("agora", "memory", "prompts", "config", "nodes", "graphs", "web")
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.ClassDef | Function


@dataclass(frozen=True)
class Module:
    """One module of the product; names are dotted, from the root."""

    name: str
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text())

    def imports(self) -> Iterator[str]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                source = "." * node.level + (node.module or "")
                yield from (f"{source}.{alias.name}" for alias in node.names)

    def own_names(self) -> Iterator[str]:
        """Yield the names of the file, its classes and its functions."""
        yield self.path.stem
        for node in ast.walk(self.tree):
            if isinstance(node, Definition):
                yield node.name

    def definitions(self) -> Iterator[tuple[str, set[str]]]:
        """Yield every function and class of the top level, with the names it uses."""
        for node in self._top:
            yield f"{self.name}.{node.name}", self.references(node)

    def first_statements(self) -> Iterator[tuple[str, ast.stmt]]:
        """Yield every function and method that does something, with what it does first."""
        for name, node in _functions(self.tree, self.name):
            for statement in node.body[ast.get_docstring(node) is not None :][:1]:
                yield name, statement

    def references(self, within: ast.AST | None = None) -> set[str]:
        """Return the dotted names used, by way of imports or of this module's own top level."""
        return {
            f"{self._meanings[head]}{dot}{rest}"
            for name in _chains(within or self.tree)
            for head, dot, rest in [name.partition(".")]
            if head in self._meanings
        }

    @cached_property
    def _top(self) -> list[Definition]:
        return [node for node in self.tree.body if isinstance(node, Definition)]

    @cached_property
    def _meanings(self) -> dict[str, str]:
        meanings = {node.name: f"{self.name}.{node.name}" for node in self._top}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                # `import a.b` binds a, `import a.b as c` binds a.b.
                meanings |= {a.asname: a.name for a in node.names if a.asname}
                meanings |= {_head(a.name): _head(a.name) for a in node.names if not a.asname}
            elif isinstance(node, ast.ImportFrom):
                meanings |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        return meanings


def product() -> list[Module]:
    """Return every module of the product, by name."""
    return [
        Module(".".join(parts[:-1] if parts[-1] == "__init__" else parts), path)
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for parts in [path.relative_to(ROOT).with_suffix("").parts]
    ]


def within(name: str, *packages: str) -> bool:
    """Return whether a dotted name is one of the packages or inside of one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _chains(tree: ast.AST) -> Iterator[str]:
    """Yield `a.b.c` as `a`, `a.b` and `a.b.c`, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            said = ast.unparse(node)
            if all(part.isidentifier() for part in said.split(".")):
                yield said


def _head(name: str) -> str:
    return name.partition(".")[0]


def _functions(tree: ast.AST, above: str) -> Iterator[tuple[str, Function]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{above}.{node.name}")
        elif isinstance(node, Function):
            yield f"{above}.{node.name}", node
