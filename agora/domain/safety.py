"""What a function does beside giving a result, read from its source: the safety tags of a tool.

Careful in one direction: what is not seen to be harmless is not called pure.
"""

import ast
from collections.abc import Iterator

from agora.domain.module_state import alters_state
from agora.domain.repair.capabilities import PURE, uses
from agora.domain.signatures import Function

TAGS_OF_RULES = {
    "network": ("network", "sends"),
    "subprocess": ("reads", "writes"),
    "file_deletion": ("writes",),
    "file_writing": ("writes",),
    "environment": ("reads",),
    "input": ("reads",),
}
HARMLESS = frozenset(("hashing", "reflection", "test_runner"))
"""Rules of the gate that say nothing about what a function leaves behind."""
# They look at the machine, or change with the hour.
NOT_PURE = frozenset(
    ("os", "io", "sys", "pathlib", "time", "locale", "weakref", "typing_extensions")
)
_HOUR = frozenset(("now", "today", "utcnow"))


def tags_of(function: Function, module: ast.Module) -> tuple[str, ...]:
    """Return the tags that a function earns by what it uses, its module's own functions included.

    `pure` where nothing but computation is seen; no tag where nobody can tell.
    """
    part = ast.Module(list(_reached(function, module)), [])
    rules = {use.rule for use in uses(part)}
    tags = {tag for rule in rules for tag in TAGS_OF_RULES.get(rule, ())}
    if not tags and rules <= HARMLESS and not _may_leave_a_trace(part, module):
        tags.add("pure")
    return tuple(sorted(tags))


def packages_of(module: ast.Module, known: frozenset[str]) -> tuple[str, ...]:
    """Return the packages that a module needs beside the standard library and the work tree's."""
    tops = {name.partition(".")[0] for name in _imported(module)}
    return tuple(sorted(top for top in tops if top not in known))


def _reached(function: Function, module: ast.Module) -> Iterator[ast.stmt]:
    """Yield the function, the imports, and every definition of the module that it leads to."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    known = {node.name: node for node in module.body if isinstance(node, kinds)}
    yield from (one for one in ast.walk(function) if isinstance(one, ast.Import | ast.ImportFrom))
    wanted, seen = [function.name], set[str]()
    while wanted:
        name = wanted.pop()
        if name in seen or name not in known:
            continue
        seen.add(name)
        yield known[name]
        wanted += [one.id for one in ast.walk(known[name]) if isinstance(one, ast.Name)]
    named = {one.id for name in seen for one in ast.walk(known[name]) if isinstance(one, ast.Name)}
    for node in module.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            if any((alias.asname or alias.name).partition(".")[0] in named for alias in node.names):
                yield node


def _may_leave_a_trace(part: ast.Module, module: ast.Module) -> bool:
    """Return whether something of another module, or of the hour, or of its own past counts."""
    for node in ast.walk(part):
        if isinstance(node, ast.Global | ast.Nonlocal):
            return True
        if isinstance(node, ast.Attribute) and node.attr in _HOUR:
            return True
        if isinstance(node, ast.ImportFrom) and node.level:
            return True
    if alters_state(part, module):
        return True
    return any(name.partition(".")[0] not in PURE - NOT_PURE for name in _imported(part))


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
