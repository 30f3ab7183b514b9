"""Edits of operators, conditions and constants: the commonest one-line bugs."""

import ast
from collections.abc import Iterator

from agora.domain.repair.source import Edit, Source

COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.Is: "is",
    ast.IsNot: "is not",
}
# The likeliest mistake first: a boundary, a direction, then any other.
RIVALS = {
    "<": ("<=", ">", ">=", "!=", "=="),
    "<=": ("<", ">=", ">", "==", "!="),
    ">": (">=", "<", "<=", "!=", "=="),
    ">=": (">", "<=", "<", "==", "!="),
    "==": ("!=", "<=", ">=", "<", ">", "in"),
    "!=": ("==", "<", ">", "<=", ">=", "not in"),
    "in": ("not in", "=="),
    "not in": ("in", "!="),
    "is": ("is not", "=="),
    "is not": ("is", "!="),
}
ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
    ast.LShift: "<<",
    ast.RShift: ">>",
}
KIN = {
    "+": ("-", "*", "/", "//", "%"),
    "-": ("+", "%", "*", "/", "//"),
    "*": ("/", "+", "**", "//", "-", "%"),
    "/": ("//", "*", "%", "-", "+"),
    "//": ("/", "%", "*", "-", "+"),
    "%": ("//", "/", "-", "*", "+"),
    "**": ("*", "//"),
    "&": ("|", "^", "-"),
    "|": ("&", "^", "-"),
    "^": ("&", "|", "+", "-"),
    "<<": (">>",),
    ">>": ("<<",),
}
SEPARATORS = ('" "', '","', '"."', '"-"', '"_"', '":"', '"/"', '"\\n"', '", "')


def comparisons(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Replace a comparison operator, or swap its sides."""
    if not isinstance(node, ast.Compare):
        return
    sides = [node.left, *node.comparators]
    for left, op, right in zip(sides, node.ops, sides[1:], strict=False):
        old = COMPARISONS[type(op)]
        for place, rival in enumerate(RIVALS[old]):
            what = f"compare with `{rival}` instead of `{old}`"
            yield from _operator(
                source, node, (left, right), (old, rival), what, 1.0 + 0.15 * place
            )
        if len(node.ops) == 1 and old in ("in", "not in", "<", ">", "<=", ">="):
            swapped = f"{operand(source, right)} {old} {operand(source, left)}"
            yield replaced(source, node, swapped, "swap_sides", "swap the two sides", 1.5)


def arithmetic(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Replace an arithmetic operator, swap its operands, or drop one."""
    if not isinstance(node, ast.BinOp):
        return
    old = ARITHMETIC.get(type(node.op))
    left, right = source.of(node.left), source.of(node.right)
    for place, rival in enumerate(KIN.get(old or "", ())):
        what = f"compute with `{rival}` instead of `{old}`"
        sides = (node.left, node.right)
        yield from _operator(source, node, sides, (old or "", rival), what, 1.3 + 0.2 * place)
    if old in ("-", "/", "//", "%", "**", "+", "<<", ">>"):
        swapped = f"{operand(source, node.right)} {old} {operand(source, node.left)}"
        yield replaced(source, node, swapped, "swap_operands", "swap the two operands", 2.0)
    if old == "+" and _is_text(source, node):
        for place, mark in enumerate(SEPARATORS):
            what = f"put {mark} between"
            new = f"{operand(source, node.left)} + {mark} + {operand(source, node.right)}"
            yield replaced(source, node, new, "separator", what, 2.3 + 0.05 * place)
    for kept, dropped in ((left, right), (right, left)):
        what = f"leave `{brief(dropped)}` out"
        yield replaced(source, node, kept, "drop_operand", what, 2.0)


def _is_text(source: Source, node: ast.BinOp) -> bool:
    """Return whether an addition joins texts, as far as can be seen."""
    variables = source.variables(node)
    for side in (node.left, node.right):
        if isinstance(side, ast.Constant) and isinstance(side.value, str):
            return True
        if isinstance(side, ast.Name) and variables.get(side.id) == "str":
            return True
        if isinstance(side, ast.Call) and source.of(side.func) in ("str", "repr", "chr"):
            return True
    return False


def assignments(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Replace the operator of an update, or turn an assignment into an update and back."""
    if isinstance(node, ast.AugAssign) and type(node.op) in ARITHMETIC:
        old = ARITHMETIC[type(node.op)]
        between = source.between(node.target, node.value)
        for place, rival in enumerate((*KIN[old], "")):
            what = f"update with `{rival}=` instead of `{old}=`"
            new = f" {rival}= "
            if source.content[slice(*between)].strip() == f"{old}=".encode():
                cost = 1.3 + 0.2 * place if rival else 1.6
                yield at(source, node, (*between, new), "update_operator", what, cost)
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        between = source.between(target, node.value)
        used = {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
        if isinstance(target, ast.Name) and target.id not in used:
            for op in ("+", "-", "*"):
                what = f"update `{target.id}` instead of replacing it"
                yield at(source, node, (*between, f" {op}= "), "update", what, 2.8)


def conditions(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Exchange `and` and `or`, drop a part of a condition, or negate it."""
    if isinstance(node, ast.BoolOp):
        yield from _parts_of(source, node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        inner = source.of(node.operand)
        what = f"drop `{source.of(node)[: -len(inner)].strip() or 'not'}`"
        yield replaced(source, node, inner, "drop_not", what, 1.5)
    test = getattr(node, "test", None)
    if isinstance(node, ast.If | ast.While | ast.IfExp) and isinstance(test, ast.expr):
        yield from negated(source, test, 1.9)
        yield replaced(source, test, "True", "always", "take this branch always", 3.5)
        yield replaced(source, test, "False", "never", "never take this branch", 3.5)
    if isinstance(node, ast.comprehension):
        for condition in node.ifs:
            yield from negated(source, condition, 1.9)


def negated(source: Source, test: ast.expr, cost: float) -> Iterator[Edit]:
    """Turn a condition into its opposite."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return
    text = source.of(test)
    is_simple = isinstance(test, ast.Name | ast.Call | ast.Attribute | ast.Subscript)
    new = f"not {text}" if is_simple else f"not ({text})"
    yield replaced(source, test, new, "negate", "negate the condition", cost)


def _parts_of(source: Source, node: ast.BoolOp) -> Iterator[Edit]:
    old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
    gaps = list(zip(node.values, node.values[1:], strict=False))
    swaps = [(source.between(left, right), left) for left, right in gaps]
    texts = [source.content[slice(*gap)].decode() for gap, _ in swaps]
    whole = tuple(
        (*gap, text.replace(old, new)) for (gap, _), text in zip(swaps, texts, strict=True)
    )
    what = f"join the conditions with `{new}` instead of `{old}`"
    yield Edit(source.path, node.lineno, whole, "and_or", what, 1.3)
    for part in whole if len(whole) > 1 else ():
        yield Edit(source.path, node.lineno, (part,), "and_or", what, 1.8)
    for index, value in enumerate(node.values):
        rest = [operand(source, v) for i, v in enumerate(node.values) if i != index]
        what = f"drop the condition `{brief(source.of(value))}`"
        yield replaced(source, node, f" {old} ".join(rest), "drop_condition", what, 1.8)
        yield from negated(source, value, 2.0)


def _operator(
    source: Source,
    node: ast.expr,
    sides: tuple[ast.expr, ast.expr],
    words: tuple[str, str],
    what: str,
    cost: float,
) -> Iterator[Edit]:
    start, end = source.between(*sides)
    text = source.content[start:end].decode()
    old, new = words
    if text.count(old) == 1:
        parts = (start, end, text.replace(old, new))
        yield at(source, node, parts, "operator", what, cost)


def at(
    source: Source,
    node: ast.expr | ast.stmt,
    part: tuple[int, int, str],
    operator: str,
    what: str,
    cost: float,
) -> Edit:
    """Return an edit of one span, told of at a node's line."""
    return Edit(source.path, node.lineno, (part,), operator, what, cost)


def replaced(
    source: Source,
    node: ast.expr,
    text: str,
    operator: str,
    what: str,
    cost: float,
    added: tuple[str, ...] = (),
) -> Edit:
    """Return an edit that puts other text in the place of an expression."""
    start, end = source.span(node)
    if _binds_loosely(text):
        text = text if _is_enclosed(source, node) else f"({text})"
    elif isinstance(source.parents.get(node), ast.BinOp | ast.BoolOp | ast.Compare | ast.Return):
        if (source.content[start - 1 : start], source.content[end : end + 1]) == (b"(", b")"):
            start, end = start - 1, end + 1
    return Edit(source.path, node.lineno, ((start, end, text),), operator, what, cost, added)


def _binds_loosely(text: str) -> bool:
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError:
        return False
    loose = ast.BinOp | ast.BoolOp | ast.Compare | ast.IfExp | ast.UnaryOp | ast.Lambda
    is_number = isinstance(tree, ast.UnaryOp) and isinstance(tree.operand, ast.Constant)
    return isinstance(tree, loose) and not is_number


def operand(source: Source, node: ast.expr) -> str:
    """Return a node's text as it can stand beside an operator."""
    text = source.of(node)
    loose = ast.BinOp | ast.BoolOp | ast.Compare | ast.IfExp | ast.Lambda | ast.NamedExpr
    return f"({text})" if isinstance(node, loose) else text


def _is_enclosed(source: Source, node: ast.expr) -> bool:
    """Return whether the place of a node takes any expression without parentheses."""
    above = source.parents.get(node)
    if isinstance(above, ast.Call):
        return node is not above.func
    if isinstance(above, ast.Subscript):
        return node is above.slice
    closed = ast.Return | ast.Assign | ast.AugAssign | ast.If | ast.While | ast.Expr | ast.Slice
    return isinstance(above, closed | ast.keyword | ast.List | ast.Dict | ast.Assert)


def brief(text: str) -> str:
    """Return text that fits into a sentence."""
    return text if len(text) <= 40 else text[:39] + "…"
