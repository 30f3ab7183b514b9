"""Edits that add what was forgotten: base cases, guards, and answers to the exception seen."""

import ast
from collections.abc import Iterator, Sequence

from agora.domain.repair.expressions import operand, replaced
from agora.domain.repair.source import Edit, Function, Source, body_of
from agora.domain.repair.statements import inserted
from agora.domain.repair.trials import Failure

ANSWERS = ("None", "0", "1", "-1", "True", "False", "[]", '""', "{}", "0.0")


def small_inputs(source: Source, node: ast.AST, wanted: Sequence[str]) -> Iterator[Edit]:
    """Answer the empty, the missing and the smallest input before anything else."""
    if not isinstance(node, Function) or not body_of(node):
        return
    first = body_of(node)[0]
    if not source.stands_alone(first):
        return
    arguments = [a.arg for a in (*node.args.posonlyargs, *node.args.args) if a.arg != "self"]
    types = source.variables(first)
    for name in arguments:
        for test in _smallest(name, types.get(name, "")):
            for answer in dict.fromkeys((*wanted, *ANSWERS, name)):
                cost = 2.6 if answer in wanted else 3.2
                text = f"if {test}:\n    return {answer}"
                yield inserted(source, first, text, f"return {answer} where `{test}`", cost)


def _smallest(name: str, kind: str) -> tuple[str, ...]:
    if kind in ("int", "float"):
        return (f"{name} == 0", f"{name} < 0", f"{name} == 1", f"{name} <= 1", f"{name} < 2")
    if kind in ("list", "str", "tuple", "dict", "set"):
        return (f"not {name}", f"len({name}) < 2")
    if kind == "NoneType":
        return (f"{name} is None",)
    return (f"not {name}", f"{name} is None", f"{name} == 0")


def skips(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Pass over the elements of a loop that a condition of the function speaks of."""
    if not isinstance(node, ast.For) or not isinstance(node.target, ast.Name):
        return
    name = node.target.id
    first = node.body[0]
    if source.stands_alone(first):
        for test in (f"not {name}", f"{name} is None"):
            for word in ("continue", "break"):
                text = f"if {test}:\n    {word}"
                yield inserted(source, first, text, f"{word} where `{test}`", 2.8)


def conjuncts(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Add a condition that is asked elsewhere, or that a function of the file answers."""
    test = getattr(node, "test", None)
    is_asked = isinstance(node, ast.If | ast.While) and isinstance(test, ast.expr)
    value = node.value if isinstance(node, ast.Return) else None
    if isinstance(value, ast.Compare | ast.BoolOp):
        test, is_asked = value, True
    if not is_asked or not isinstance(test, ast.expr):
        return
    text = operand(source, test)
    for place, other in enumerate(_conditions(source, node, test)):
        for word, cost in (("and", 2.4), ("or", 2.5)):
            what = f"ask `{word} {other[:50]}` too"
            new = f"{text} {word} {other}"
            yield replaced(source, test, new, "add_condition", what, cost + 0.02 * min(place, 20))


def _conditions(source: Source, node: ast.AST, test: ast.expr) -> list[str]:
    """Return conditions that could be meant, those of the same function first."""
    function = source.function(node)
    if function is None:
        return []
    asked = [n for n in ast.walk(function) if isinstance(n, ast.Compare) and n is not test]
    texts = [source.of(n) for n in asked if n not in set(ast.walk(test))]
    variables = source.variables(node)
    used = {n.id for n in ast.walk(test) if isinstance(n, ast.Name)}
    for name, kind in variables.items():
        near = name in used or name in {a.arg for a in function.args.args}
        if not near:
            continue
        calls = [f"{h}({name})" for h in _predicates(source, function)]
        texts += [*calls, *(f"not {call}" for call in calls)]
        plain = (name, f"not {name}") if kind != "int" else (f"{name} > 0", f"{name} != 0")
        texts += [*plain, f"{name} is not None", f"{name} is None"]
    texts += _renamed(source, test, variables)
    return list(dict.fromkeys(texts))


def _renamed(source: Source, test: ast.expr, variables: dict[str, str]) -> Iterator[str]:
    """Yield the condition itself with two of its variables exchanged."""
    leaves = [n for n in ast.walk(test) if isinstance(n, ast.Name) and n.id in variables]
    used = list(dict.fromkeys(n.id for n in leaves))
    parts = test.values if isinstance(test, ast.BoolOp) else [test]
    for part in parts:
        for i, one in enumerate(used):
            for other in used[i + 1 :]:
                yield _exchanged(part, {one: other, other: one})


def _exchanged(test: ast.expr, names: dict[str, str]) -> str:
    tree = ast.parse(ast.unparse(test), mode="eval").body
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
    return f"({ast.unparse(tree)})" if isinstance(tree, ast.BoolOp) else ast.unparse(tree)


def _predicates(source: Source, function: Function) -> list[str]:
    inner = [n.name for n in ast.walk(function) if isinstance(n, Function) and n is not function]
    own = [name for name in source.helpers if name != function.name]
    return list(dict.fromkeys((*inner, *own)))[:6]


def answers(
    source: Source, node: ast.AST, failures: Sequence[Failure], wanted: Sequence[str]
) -> Iterator[Edit]:
    """Answer the exception that was seen at this statement."""
    if not isinstance(node, ast.stmt) or not source.stands_alone(node):
        return
    seen = [f for f in failures if (source.path, node.lineno) in f.frames]
    kinds = dict.fromkeys(f.exception for f in seen)
    for kind in kinds:
        if kind == "KeyError":
            yield from _looked_up(source, node, wanted)
        for test in _causes(source, node, kind):
            yield from _guarded(source, node, test, wanted)
    for name in _missing(source, node, seen):
        yield from _instead(source, node, name)


def _looked_up(source: Source, node: ast.stmt, wanted: Sequence[str]) -> Iterator[Edit]:
    """Look up with a default where a key was missing."""
    lookups = [n for n in ast.walk(node) if isinstance(n, ast.Subscript)]
    for lookup in lookups:
        if isinstance(lookup.ctx, ast.Load) and not isinstance(lookup.slice, ast.Slice):
            for place, answer in enumerate(wanted):
                text = f"{source.of(lookup.value)}.get({source.of(lookup.slice)}, {answer})"
                what = f"fall back to `{answer}` where the key is missing"
                yield replaced(source, lookup, text, "get_default", what, 1.1 + 0.1 * place)


def _guarded(source: Source, node: ast.stmt, test: str, wanted: Sequence[str]) -> Iterator[Edit]:
    for place, answer in enumerate(dict.fromkeys((*wanted, *ANSWERS))):
        cost = 1.2 + 0.1 * place if answer in wanted else 2.4 + 0.05 * place
        text = f"if {test}:\n    return {answer}"
        yield inserted(source, node, text, f"return {answer} where `{test}`", cost)
    for word in ("continue", "break"):
        if any(isinstance(a, ast.For | ast.While) for a in source.above(node)):
            text = f"if {test}:\n    {word}"
            yield inserted(source, node, text, f"{word} where `{test}`", 2.0)


def _causes(source: Source, node: ast.stmt, kind: str) -> Iterator[str]:
    """Yield what was true of a statement's values when it raised."""
    for below in ast.walk(node):
        if kind == "ZeroDivisionError" and isinstance(below, ast.BinOp):
            if isinstance(below.op, ast.Div | ast.FloorDiv | ast.Mod):
                yield from _zero(source, below.right)
        if kind in ("IndexError", "KeyError") and isinstance(below, ast.Subscript):
            yield f"not {operand(source, below.value)}"
            if not isinstance(below.slice, ast.Slice):
                item, whole = operand(source, below.slice), source.of(below.value)
                yield f"{item} not in {whole}" if kind == "KeyError" else f"{item} >= len({whole})"
        if kind in ("TypeError", "AttributeError") and isinstance(below, ast.Name):
            if below.id in source.variables(node):
                yield f"{below.id} is None"
        if kind == "ValueError" and isinstance(below, ast.Call) and below.args:
            yield f"not {operand(source, below.args[0])}"


def _zero(source: Source, divisor: ast.expr) -> Iterator[str]:
    """Yield how people ask whether a divisor is zero."""
    if isinstance(divisor, ast.Call) and source.of(divisor.func) == "len" and divisor.args:
        yield f"not {operand(source, divisor.args[0])}"
    yield f"{operand(source, divisor)} == 0"


def _missing(source: Source, node: ast.stmt, seen: Sequence[Failure]) -> list[str]:
    """Return variables of a statement that were None when it raised."""
    nothing = {
        n for f in seen for n, v in f.values.items() if v == "None" and f.line == node.lineno
    }
    used = [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
    return [name for name in dict.fromkeys(used) if name in nothing]


def _instead(source: Source, node: ast.stmt, name: str) -> Iterator[Edit]:
    """Put a neutral value in the place of a variable that is None."""
    for below in ast.walk(node):
        if isinstance(below, ast.Name) and below.id == name and isinstance(below.ctx, ast.Load):
            for place, neutral in enumerate(('""', "0", "[]", "{}")):
                new = f"{name} or {neutral}"
                what = f"treat a missing `{name}` as {neutral}"
                yield replaced(source, below, new, "or_default", what, 1.5 + 0.1 * place)
