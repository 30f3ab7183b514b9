"""Lines that an edit adds: before a loop, after a statement, and the imports that it needs."""

import ast
from collections.abc import Iterator, Sequence
from keyword import iskeyword

from agora.domain.repair.invariants import names_in
from agora.domain.repair.source import Edit, Function, Part, Source, bound

Import = ast.Import | ast.ImportFrom


def inserted(
    source: Source,
    node: ast.stmt | ast.expr,
    parts: Sequence[Part | None],
    operator: str,
    what: str,
    needs: tuple[str, str] | None = None,
) -> Iterator[Edit]:
    """Yield an edit with the import that it needs; nothing where a part has no place."""
    imported = [_imported(source, *needs)] if needs else []
    whole = [part for part in (*imported, *parts) if part is not None]
    if len(whole) == len(imported) + len(parts):
        at: dict[tuple[int, int], str] = {}
        for start, end, text in whole:  # of two lines for one place the import comes first
            at[start, end] = at.get((start, end), "") + text
        kept = tuple((*place, text) for place, text in at.items() if text)
        yield Edit(source.path, node.lineno, kept, operator, what, float(len(kept)))


NOTHING: Part = (0, 0, "")


def before(source: Source, node: ast.AST, line: str) -> Part | None:
    """Return a line before the statement of a loop; None where it would not run once before it."""
    statement = source.statement(node)
    start, _ = source.span(statement)
    at = source.line_start(statement.lineno)
    is_repeated = isinstance(statement, ast.While) and statement is not node
    is_first = not source.content[at:start].strip() and not source.of(statement).startswith("elif")
    if is_repeated or not is_first or isinstance(statement, Function | ast.ClassDef):
        return None
    return at, at, f"{source.indent(statement)}{line}\n"


def after(source: Source, statement: ast.stmt, line: str) -> Part | None:
    """Return a line after a statement that stands alone on its own."""
    if not source.stands_alone(statement):
        return None
    at = source.line_end(statement.end_lineno or statement.lineno)
    return at, at, f"{source.indent(statement)}{line}\n"


def fresh(source: Source, node: ast.AST, name: str) -> str:
    """Return a name that neither the function nor its module uses yet."""
    function = source.function(node)
    used = set(names_in(source.tree)) | set(bound(function) if function else ())
    while name in used or iskeyword(name):
        name += "_"
    return name


def _imported(source: Source, module: str, name: str) -> Part | None:
    """Return what imports a name: NOTHING where it is there, None where it has another meaning."""
    imports = [one for one in source.tree.body if isinstance(one, Import)]
    for one in imports:
        if isinstance(one, ast.ImportFrom) and one.module == module and not one.level:
            if name in [alias.name for alias in one.names if not alias.asname]:
                return NOTHING
    if name in _words(source.tree):
        return None
    line = f"from {module} import {name}\n"
    after_it = [one for one in imports if _place(one) > (1, module)]
    if after_it:
        at = source.line_start(after_it[0].lineno)
        return at, at, line
    if imports:
        at = source.line_end(imports[-1].end_lineno or 1)
        return at, at, line
    if ast.get_docstring(source.tree) is not None:
        at = source.line_end(source.tree.body[0].end_lineno or 1)
        return at, at, f"\n{line}"
    return 0, 0, f"{line}\n\n"


def _place(one: Import) -> tuple[int, str]:
    """Return where an import stands among others, as sorters order them."""
    module = (one.module or "") if isinstance(one, ast.ImportFrom) else ""
    return (0 if module == "__future__" or not module else 1), module


def _words(tree: ast.Module) -> set[str]:
    found = set(names_in(tree))
    for node in ast.walk(tree):
        if isinstance(node, Function | ast.ClassDef | ast.alias):
            found.add(getattr(node, "asname", None) or node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
    return found
