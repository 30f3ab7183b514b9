"""A workspace at a glance: its symbols, who imports whom, and which tests speak of what."""

import ast
from collections.abc import Iterator
from pathlib import Path

from agora.domain.repair.territory import is_test

LONGEST = 30_000  # characters of an index
MOST = 2_000  # files that are looked at


def index(tree: Path) -> str:
    """Return one line for each file, and one for each symbol; what does not fit is counted."""
    lines, left = list[str](), LONGEST
    blocks = [_block(tree, path) for path in _files(tree)]
    for block in blocks:
        if len(block) > left:
            lines.append(f"({len(blocks) - len(lines)} more files)")
            break
        left -= len(block)
        lines.append(block)
    return "\n".join(lines)


def _files(tree: Path) -> list[str]:
    wanted = (path for path in tree.rglob("*") if path.suffix in (".py", ".sql"))
    found = (str(path.relative_to(tree)) for path in wanted if not path.is_symlink())
    return sorted(found, key=lambda path: (is_test(path), path))[:MOST]


def _block(tree: Path, path: str) -> str:
    if not path.endswith(".py"):
        return path
    try:
        module = ast.parse((tree / path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return f"{path} (cannot be read)"
    uses = sorted({name for name in _imports(module) if _is_own(tree, name)})
    head = path + (f" imports {', '.join(uses)}" if uses else "") + _said(module)
    return "\n".join([head, *(f"  {line}" for line in _symbols(module.body))])


def _imports(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def _is_own(tree: Path, name: str) -> bool:
    place = tree.joinpath(*name.split(".")) if name and not name.startswith(".") else None
    if place is None:
        return bool(name)
    return place.is_dir() or place.with_suffix(".py").is_file()


def _symbols(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"def {node.name}({ast.unparse(node.args)}){_said(node)}"
        elif isinstance(node, ast.ClassDef):
            yield f"class {node.name}{_said(node)}"
            yield from (f"  {line}" for line in _symbols(node.body))


def _said(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    text = (ast.get_docstring(node) or "").partition("\n")[0]
    return f": {text[:100]}" if text else ""
