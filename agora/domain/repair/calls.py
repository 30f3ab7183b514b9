"""Edits of names, calls, indices and slices: the right operation on the wrong thing."""

import ast
from collections.abc import Iterator

from agora.domain.repair.expressions import at, operand, replaced
from agora.domain.repair.source import Edit, Source

# Functions and methods that people take for each other.
FAMILIES = (
    ("startswith", "endswith"),
    ("upper", "lower", "title", "capitalize", "swapcase"),
    ("isupper", "islower"),
    ("isdigit", "isalpha", "isalnum", "isspace", "isnumeric", "isdecimal"),
    ("append", "extend", "add", "update"),
    ("strip", "lstrip", "rstrip"),
    ("split", "rsplit", "splitlines"),
    ("find", "rfind", "index", "rindex", "count"),
    ("keys", "values", "items"),
    ("pop", "popleft", "popitem"),
    ("append", "appendleft", "insert"),
    ("remove", "discard", "pop"),
    ("intersection", "union", "difference", "symmetric_difference"),
    ("issubset", "issuperset", "isdisjoint"),
    ("min", "max", "sum", "len", "abs"),
    ("any", "all"),
    ("floor", "ceil", "trunc", "round"),
    ("int", "float", "str", "round"),
    ("sorted", "reversed", "list"),
    ("list", "set", "tuple"),
    ("range", "enumerate"),
    ("ljust", "rjust", "center", "zfill"),
    ("encode", "decode"),
    ("sin", "cos", "tan"),
    ("log", "log2", "log10"),
    ("get", "setdefault", "pop"),
    ("seconds", "total_seconds", "microseconds"),
    ("heappush", "heappop"),
    ("bisect_left", "bisect_right", "bisect"),
    ("now", "utcnow"),
    ("read", "readline", "readlines"),
    ("dumps", "dump", "loads", "load"),
    ("chain", "zip"),
    ("gcd", "lcm"),
    ("ord", "chr"),
    ("match", "search", "fullmatch"),
)
ERRORS = (
    "ValueError",
    "TypeError",
    "KeyError",
    "IndexError",
    "ZeroDivisionError",
    "AttributeError",
    "LookupError",
    "FileNotFoundError",
    "OSError",
)
WRAPS = ("sorted", "len", "abs", "list", "str", "int", "set", "sum", "float", "tuple", "max", "min")
ROUND = {"list", "tuple", "str", "set", "dict", "int", "float", ""}


def names(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Use another variable of the function, likeliest one that held the same type."""
    if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
        return
    variables = source.variables(node)
    if node.id not in variables:
        return
    kind = variables[node.id]
    for name, other in variables.items():
        if name == node.id:
            continue
        cost = 1.6 if other == kind else 2.2 if not (other and kind) else 3.0
        what = f"use `{name}` instead of `{node.id}`"
        yield replaced(source, node, name, "variable", what, cost)


def targets(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Assign to another variable, or unpack in another order."""
    if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Store):
        for i, left in enumerate(node.elts):
            for right in node.elts[i + 1 :]:
                parts = (
                    (*source.span(left), source.of(right)),
                    (*source.span(right), source.of(left)),
                )
                what = f"unpack `{source.of(left)}` and `{source.of(right)}` the other way round"
                yield Edit(source.path, node.lineno, parts, "unpacking", what, 1.8)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        statement = source.parents.get(node)
        if isinstance(statement, ast.Assign | ast.AugAssign):
            for name in source.variables(node):
                if name != node.id:
                    what = f"assign to `{name}` instead of `{node.id}`"
                    yield replaced(source, node, name, "target", what, 2.4)


def functions(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Call a related function or method, or read another attribute."""
    if isinstance(node, ast.Attribute):
        end = source.span(node)[1]
        start = end - len(node.attr.encode())
        for place, rival in enumerate(_kin(node.attr) + _siblings(source, node)):
            what = f"use `{rival}` instead of `{node.attr}`"
            part = (start, end, rival)
            yield at(source, node, part, "attribute", what, 1.5 + 0.1 * min(place, 8))
    if isinstance(node, ast.Name) and isinstance(source.parents.get(node), ast.Call):
        call = source.parents[node]
        if isinstance(call, ast.Call) and call.func is node:
            rivals = [*_kin(node.id), *(h for h in source.helpers if h != node.id)]
            for place, rival in enumerate(dict.fromkeys(rivals)):
                what = f"call `{rival}` instead of `{node.id}`"
                yield replaced(source, node, rival, "function", what, 1.5 + 0.1 * min(place, 10))


def calls(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Swap, drop or add arguments, and unwrap a call."""
    if not isinstance(node, ast.Call):
        return
    arguments = [*node.args, *node.keywords]
    for i, left in enumerate(node.args):
        for right in node.args[i + 1 :]:
            parts = (*source.span(left), source.of(right)), (*source.span(right), source.of(left))
            what = f"swap the arguments `{source.of(left)}` and `{source.of(right)}`"
            yield Edit(source.path, node.lineno, parts, "swap_arguments", what, 1.5)
    for i, argument in enumerate(arguments):
        rest = ", ".join(source.of(a) for j, a in enumerate(arguments) if j != i)
        what = f"leave the argument `{source.of(argument)[:40]}` out"
        yield _called(source, node, rest, "drop_argument", what, 2.2)
    yield from _unwrapped(source, node)
    yield from _completed(source, node)


def _unwrapped(source: Source, node: ast.Call) -> Iterator[Edit]:
    for argument in node.args[:2]:
        what = f"use `{source.of(argument)[:40]}` as it is"
        yield replaced(source, node, source.of(argument), "unwrap", what, 2.1)
    if isinstance(node.func, ast.Attribute) and not isinstance(node.func.value, ast.Constant):
        what = f"leave `.{node.func.attr}()` out"
        yield replaced(source, node, source.of(node.func.value), "drop_method", what, 2.0)


def _completed(source: Source, node: ast.Call) -> Iterator[Edit]:
    """Add the argument that is forgotten most."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else source.of(node.func)
    given = ", ".join(source.of(a) for a in (*node.args, *node.keywords))
    extra: tuple[str, ...] = ()
    if name in ("split", "rsplit", "replace") and node.args:
        extra = ("1",)
    elif name in ("sorted", "sort", "min", "max") and node.args or name == "sort":
        known = {k.arg for k in node.keywords}
        wanted = ("key=len", "key=str", "key=abs", "reverse=True", "default=0", "default=None")
        extra = tuple(k for k in wanted if k.split("=")[0] not in known)
        extra = extra[:4] if name in ("sorted", "sort") else extra[:3] + extra[4:]
    elif name in ("get", "pop", "getattr") and len(node.args) == (2 if name == "getattr" else 1):
        extra = ("0", "None", "''", "[]", "False")
    elif name in ("open", "encode", "decode", "read_text"):
        extra = ('encoding="utf-8"',)
    elif name in ("enumerate", "round", "sum") and len(node.args) == 1:
        extra = ("1", "2")
    for place, text in enumerate(extra):
        what = f"add the argument `{text}`"
        arguments = f"{given}, {text}" if given else text
        yield _called(source, node, arguments, "add_argument", what, 2.0 + 0.15 * place)


def _called(
    source: Source, node: ast.Call, arguments: str, operator: str, what: str, cost: float
) -> Edit:
    start, end = source.span(node.func)[1], source.span(node)[1]
    return at(source, node, (start, end, f"({arguments})"), operator, what, cost)


def bounds(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Move an index, a bound of a slice or range, a limit or an argument by one."""
    if isinstance(node, ast.Call) and source.of(node.func) == "range":
        yield from _ranges(source, node)
    if not isinstance(node, ast.expr) or isinstance(node, ast.Constant | ast.Slice | ast.Tuple):
        return
    cost = _shift_cost(source, node)
    if cost:
        text = source.of(node)
        for sign in ("+", "-"):
            what = f"use `{text[:40]} {sign} 1`"
            new = f"{operand(source, node)} {sign} 1" if _is_low(node) else f"{text} {sign} 1"
            yield replaced(source, node, new, "off_by_one", what, cost)


def _is_low(node: ast.expr) -> bool:
    return isinstance(node, ast.IfExp | ast.BoolOp | ast.Compare | ast.Lambda)


def _shift_cost(source: Source, node: ast.expr) -> float:
    """Return how far-fetched it is that one too many or few stands here; 0 for never."""
    above = source.parents.get(node)
    if not isinstance(node, ast.Name | ast.BinOp | ast.Call | ast.Attribute | ast.Subscript):
        return 0.0
    if isinstance(above, ast.Subscript) and above.slice is node or isinstance(above, ast.Slice):
        return 1.6
    if isinstance(above, ast.Call) and node in above.args:
        return 1.7 if source.of(above.func) == "range" else 2.3
    if isinstance(above, ast.Compare):
        return 2.1
    return 2.6 if isinstance(above, ast.Return | ast.Assign | ast.BinOp) else 0.0


def _ranges(source: Source, node: ast.Call) -> Iterator[Edit]:
    texts = [source.of(a) for a in node.args]
    if len(texts) == 1:
        for start in ("1", "2"):
            what = f"start the range at {start}"
            yield _called(source, node, f"{start}, {texts[0]}", "range_start", what, 1.7)
    if len(texts) == 2:
        what = "start the range at 0"
        yield _called(source, node, texts[1], "range_start", what, 1.8)
        backwards = f"{texts[1]} - 1, {texts[0]} - 1, -1"
        yield _called(source, node, backwards, "range_step", "count down", 2.6)


def slices(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Drop a bound of a slice, reverse it, or take a slice of what is taken whole."""
    if isinstance(node, ast.Slice):
        for bound in filter(None, (node.lower, node.upper, node.step)):
            what = f"leave the bound `{source.of(bound)}` out"
            yield at(source, bound, (*source.span(bound), ""), "slice_bound", what, 1.9)
        start, end = source.span(node)
        if node.lower is None and node.upper is not None and node.step is None:
            text = f"{source.of(node.upper)}:"
            yield at(source, node.upper, (start, end, text), "slice_side", "take the rest", 2.0)
        if node.upper is None and node.lower is not None and node.step is None:
            text = f":{source.of(node.lower)}"
            yield at(source, node.lower, (start, end, text), "slice_side", "take the start", 2.0)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield from _sliced(source, node)


def _sliced(source: Source, node: ast.Name) -> Iterator[Edit]:
    above = source.parents.get(node)
    variables = source.variables(node)
    is_value = isinstance(above, ast.Call | ast.Return | ast.For | ast.comprehension | ast.Compare)
    is_function = isinstance(above, ast.Call) and above.func is node
    if (
        not is_value
        or is_function
        or variables.get(node.id, "int") not in ("list", "str", "tuple", "")
    ):
        return
    numbers = [name for name, kind in variables.items() if kind == "int"]
    forms = ["[::-1]", "[1:]", "[:-1]", *(f"[{n}{c}" for n in numbers for c in (":]", "]"))]
    for place, form in enumerate([*forms, *(f"[:{n}]" for n in numbers)]):
        what = f"use `{node.id}{form}` instead of `{node.id}`"
        yield replaced(source, node, node.id + form, "slice", what, 2.3 + 0.05 * min(place, 10))


def wrappings(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Wrap a value in a call, or await it."""
    above = source.parents.get(node)
    if isinstance(node, ast.Call) and not isinstance(above, ast.Await):
        if isinstance(source.function(node), ast.AsyncFunctionDef):
            what = "await the call"
            yield replaced(source, node, f"await {source.of(node)}", "await", what, 1.2)
    if not isinstance(node, ast.Name | ast.Call | ast.Subscript | ast.BinOp | ast.ListComp):
        return
    if isinstance(getattr(node, "ctx", None), ast.Store):
        return
    if isinstance(above, ast.Return | ast.Assign | ast.For | ast.Compare | ast.BinOp | ast.Call):
        if isinstance(above, ast.Call) and node is above.func:
            return
        base = 2.5 if isinstance(above, ast.Return) else 2.9
        for place, wrap in enumerate(WRAPS):
            what = f"take `{wrap}()` of it"
            new = f"{wrap}({source.of(node)})"
            yield replaced(source, node, new, "wrap", what, base + 0.06 * place)
        negative = f"-{operand(source, node)}"
        yield replaced(source, node, negative, "minus", "turn the sign", base)


def keys(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Look a key up with a default."""
    if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Load):
        return
    if isinstance(node.slice, ast.Slice):
        return
    for place, default in enumerate(("0", "None", '""', "[]", "False")):
        text = f"{source.of(node.value)}.get({source.of(node.slice)}, {default})"
        what = f"fall back to `{default}` where the key is missing"
        yield replaced(source, node, text, "get_default", what, 2.2 + 0.1 * place)


def choices(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Swap or drop the branches of an expression, drop filters and elements."""
    if isinstance(node, ast.IfExp):
        body, other = source.of(node.body), source.of(node.orelse)
        parts = (*source.span(node.body), other), (*source.span(node.orelse), body)
        yield Edit(source.path, node.lineno, parts, "swap_branches", "swap the two choices", 1.8)
        for kept in (body, other):
            yield replaced(source, node, kept, "one_choice", f"always take `{kept[:40]}`", 2.3)
    if isinstance(node, ast.comprehension):
        for condition in node.ifs:
            start, end = source.span(condition)
            head = source.content[:start].rstrip()
            if head.endswith(b"("):
                head, end = head[:-1].rstrip(), source.content.index(b")", end) + 1
            part = (len(head.removesuffix(b"if").rstrip()), end, "")
            yield at(source, condition, part, "drop_filter", "keep every element", 2.3)
    if isinstance(node, ast.List | ast.Tuple | ast.Set) and isinstance(
        getattr(node, "ctx", ast.Load()), ast.Load
    ):
        for i, element in enumerate(node.elts if 1 < len(node.elts) < 30 else []):
            span = _with_comma(source, node.elts, i)
            what = f"leave the element `{source.of(element)[:40]}` out"
            yield at(source, element, (*span, ""), "drop_element", what, 2.0)


def exceptions(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Raise or catch another exception."""
    places: list[ast.expr] = []
    if isinstance(node, ast.ExceptHandler) and node.type is not None:
        places = [node.type]
    elif isinstance(node, ast.Raise) and node.exc is not None:
        places = [node.exc.func if isinstance(node.exc, ast.Call) else node.exc]
    for place in places:
        for error in ERRORS:
            what = f"use {error} instead of {source.of(place)}"
            if source.of(place) != error:
                yield replaced(source, place, error, "exception", what, 1.8)


def _with_comma(source: Source, elements: list[ast.expr], i: int) -> tuple[int, int]:
    if i + 1 < len(elements):
        return source.span(elements[i])[0], source.span(elements[i + 1])[0]
    return source.span(elements[i - 1])[1], source.span(elements[i])[1]


def _kin(name: str) -> list[str]:
    kin = [rival for family in FAMILIES if name in family for rival in family if rival != name]
    return list(dict.fromkeys(kin))


def _siblings(source: Source, node: ast.Attribute) -> list[str]:
    """Return other attributes that the file reads from the same name."""
    if not isinstance(node.value, ast.Name):
        return []
    found = [
        other.attr
        for other in ast.walk(source.tree)
        if isinstance(other, ast.Attribute)
        and isinstance(other.value, ast.Name)
        and other.value.id == node.value.id
        and other.attr != node.attr
    ]
    return [name for name in dict.fromkeys(found) if name not in _kin(node.attr)][:10]
