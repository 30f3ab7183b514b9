"""What a patch does and a repair does not: hide errors, learn tests by heart, drop checks."""

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

CATCH_ALL = {"Exception", "BaseException"}
TABLE = 12  # literal constants in one new display that are too many to be a repair
PLAIN = {None, True, False, -1, 2, 10, 100, "", " ", b"", ",", ".", "\n", "-", "_", ":", "/"}
CODECS = {"utf-8", "utf8", "ascii", "latin-1", "utf-8-sig", "strict", "ignore", "replace"}
ALWAYS = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__bool__", "__contains__")


@dataclass(frozen=True)
class Finding:
    """A rule that a patch breaks, and where."""

    rule: str
    line: int
    reason: str
    is_refused: bool = True


def findings(old: ast.Module, new: ast.Module, known: frozenset[object]) -> Iterator[Finding]:
    """Yield what is wrong with a module's change; `known` are constants of the visible tests."""
    before = _marks(old)
    fresh = [node for node in ast.walk(new) if _is_fresh(node, before)]
    yield from _caught(fresh)
    yield from _equal(fresh)
    yield from _patched(new, fresh)
    yield from _shadowed(old, new)
    yield from _memorised(old, fresh, known)
    yield from _weakened(old, new)


def is_noop(old: ast.Module, new: ast.Module) -> bool:
    """Return whether nothing but comments, layout and docstrings differs."""
    return _bare(old) == _bare(new)


def _bare(tree: ast.Module) -> str:
    tree = ast.parse(ast.unparse(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body[:1] = [ast.Pass()]
        if isinstance(body := getattr(node, "body", None), list) and len(body) > 1:
            body[:] = [one for one in body if not isinstance(one, ast.Pass)] or [ast.Pass()]
    return ast.dump(tree)


def _marks(tree: ast.AST) -> Counter[str]:
    return Counter(ast.dump(node) for node in ast.walk(tree) if hasattr(node, "lineno"))


def _is_fresh(node: ast.AST, before: Counter[str]) -> bool:
    """Return whether a node has no equal in the old tree that is not taken yet."""
    if not hasattr(node, "lineno"):
        return False
    mark = ast.dump(node)
    before[mark] -= 1
    return before[mark] < 0


def _caught(fresh: Iterable[ast.AST]) -> Iterator[Finding]:
    for node in fresh:
        if isinstance(node, ast.ExceptHandler) and _catches_all(node.type):
            if not any(isinstance(below, ast.Raise) for below in ast.walk(node)):
                yield Finding("catch_all", node.lineno, "swallows every error")


def _catches_all(kind: ast.expr | None) -> bool:
    if kind is None:
        return True
    names = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(isinstance(name, ast.Name) and name.id in CATCH_ALL for name in names)


def _equal(fresh: Iterable[ast.AST]) -> Iterator[Finding]:
    for node in fresh:
        if isinstance(node, ast.FunctionDef) and node.name in ALWAYS:
            told = [n.value for n in ast.walk(node) if isinstance(n, ast.Return)]
            is_fixed = all(isinstance(value, ast.Constant) for value in told)
            what = "always gives one answer" if is_fixed else "is new"
            reason = f"{node.name} {what}: a test's comparison would mean nothing"
            yield Finding("equality", node.lineno, reason, is_fixed)
        if isinstance(node, ast.ClassDef):
            kinds = {b.id for b in node.bases if isinstance(b, ast.Name)}
            if kinds & {"int", "str", "list", "dict", "float", "tuple", "bool", "set", "bytes"}:
                reason = "a new kind of built-in value can pass for any other"
                yield Finding("equality", node.lineno, reason, False)


def _patched(new: ast.Module, fresh: Iterable[ast.AST]) -> Iterator[Finding]:
    """Yield assignments to attributes of what the module only imports."""
    imported = {
        (alias.asname or alias.name).split(".")[0]
        for node in ast.walk(new)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    for node in fresh:
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(
            node.ctx, ast.Store | ast.Del
        ):
            root: ast.expr = node
            while isinstance(root, ast.Attribute | ast.Subscript):
                root = root.value
            if isinstance(root, ast.Name) and root.id in imported:
                yield Finding("monkey_patch", node.lineno, f"changes {root.id} for everybody")


def _shadowed(old: ast.Module, new: ast.Module) -> Iterator[Finding]:
    """Yield new definitions, at the module's top, of names that Python has."""
    import builtins

    before = {name for name, _ in _defined(old)}
    for name, line in _defined(new):
        if name in vars(builtins) and name not in before:
            yield Finding("shadows_builtin", line, f"takes the place of the built-in {name}")


def _defined(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        for below in ast.walk(node) if isinstance(node, ast.Assign | ast.Import) else ():
            if isinstance(below, ast.Name) and isinstance(below.ctx, ast.Store):
                yield below.id, node.lineno
            if isinstance(below, ast.alias) and below.asname:
                yield below.asname, node.lineno


def _memorised(
    old: ast.Module, fresh: Iterable[ast.AST], known: frozenset[object]
) -> Iterator[Finding]:
    """Yield branches on, tables of, and returns of constants that the visible tests hold."""
    before = {_value(node) for node in ast.walk(old) if isinstance(node, ast.Constant)}
    learnt = known - before - PLAIN - CODECS
    for node in fresh:
        if isinstance(node, ast.Compare):
            is_equality = any(
                isinstance(op, ast.Eq | ast.In | ast.NotEq | ast.NotIn) for op in node.ops
            )
            if is_equality and (held := _held(node, learnt)):
                yield Finding("memorises", node.lineno, f"asks for {held}, as a test does", False)
        if isinstance(node, ast.MatchValue) and (held := _held(node, learnt)):
            yield Finding("memorises", node.lineno, f"asks for {held}, as a test does", False)
        if isinstance(node, ast.Return) and node.value and (held := _held(node.value, learnt)):
            yield Finding("memorises", node.lineno, f"returns {held}, as a test expects", False)
        if isinstance(node, ast.Dict) and (held := _held(node, learnt)):
            yield Finding("memorises", node.lineno, f"holds {held}, as a test does", False)
        if isinstance(node, ast.Dict | ast.List | ast.Set | ast.Tuple):
            constants = [n for n in ast.walk(node) if isinstance(n, ast.Constant)]
            if len(constants) > TABLE and len(set(map(_value, constants)) - before) > TABLE:
                yield Finding("memorises", node.lineno, "adds a long table of constants", False)


def _held(node: ast.AST, learnt: frozenset[object]) -> str:
    for below in ast.walk(node):
        if isinstance(below, ast.Constant) and _value(below) in learnt:
            return repr(below.value)
    return ""


def _value(node: ast.Constant) -> object:
    value = node.value
    return value if isinstance(value, str | bytes | int | float | bool | None) else repr(value)


def _weakened(old: ast.Module, new: ast.Module) -> Iterator[Finding]:
    """Yield checks of the tool that are gone, always true, or asked differently."""
    for kind, what in ((ast.Assert, "assert"), (ast.Raise, "raise")):
        before, after = _checks(old, kind), _checks(new, kind)
        for text in before - after:
            reason = f"the tool's own check is gone or emptied: {what} {text}"
            if kind is ast.Assert or sum(after.values()) < sum(before.values()):
                yield Finding("weakens_check", 1, reason)
    asked, now = _guards(old), _guards(new)
    for raised, test in asked - now:
        same = [other for thing, other in now - asked if thing == raised]
        if not same or any(_is_fixed(other) for other in same):
            yield Finding("weakens_check", 1, f"`if {test}` no longer raises {raised}")
        elif len(_changed(old, new)) > 1:
            reason = f"a repair elsewhere also changes when {raised} is raised: `{same[0]}`"
            yield Finding("changes_check", 1, reason, False)


def _checks(tree: ast.Module, kind: type[ast.Assert] | type[ast.Raise]) -> Counter[str]:
    found: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, kind):
            value = node.test if isinstance(node, ast.Assert) else node.exc
            found[ast.unparse(value) if value else ""] += 1
    return found


def _guards(tree: ast.Module) -> set[tuple[str, str]]:
    """Return what is raised under which condition."""
    return {
        (ast.unparse(below.exc or node.test), ast.unparse(node.test))
        for node in ast.walk(tree)
        if isinstance(node, ast.If)
        for below in node.body
        if isinstance(below, ast.Raise)
    }


def _is_fixed(test: str) -> bool:
    """Return whether a condition asks for nothing that can vary."""
    return not any(isinstance(n, ast.Name | ast.Call) for n in ast.walk(ast.parse(test)))


def _changed(old: ast.Module, new: ast.Module) -> set[str]:
    """Return the dumps of simple statements and conditions that only the new tree has."""
    return set(_simple(new)) - set(_simple(old))


def _simple(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and not hasattr(node, "body"):
            yield ast.dump(node)
        if isinstance(node, ast.If | ast.While):
            yield ast.dump(node.test)


def constants(trees: Iterable[ast.Module]) -> frozenset[object]:
    """Return the constants of test files, docstrings apart, as `findings` compares them."""
    found = {
        _value(node)
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and not isinstance(node.value, bool)
    }
    return frozenset(found)
