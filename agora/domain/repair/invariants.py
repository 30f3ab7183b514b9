"""What stays the same while a loop runs, read from the syntax tree: careful in one direction.

What is not seen to stay is taken to change, and what is not seen to be a list to be an iterator.
"""

import ast
from collections.abc import Collection, Iterator

from agora.domain.repair.source import Function, Source, bound

SCALARS = frozenset(("int", "str", "bool", "float", "bytes"))
KINDS = SCALARS | {"list", "tuple", "dict", "set", "frozenset", "Sequence"}
READERS = frozenset(
    "index count copy get keys values items lower upper strip split splitlines casefold title "
    "startswith endswith join find replace isdigit isalpha encode issubset union isdisjoint".split()
)
"""Methods of built-in kinds that leave their object as it is."""
ASKS = frozenset(
    "len sorted sum max min any all set list tuple dict frozenset enumerate zip reversed range "
    "Counter str repr abs isinstance bool map filter".split()
)
"""Functions that leave their arguments as they are."""
_MADE = {
    ast.List: "list",
    ast.ListComp: "list",
    ast.Tuple: "tuple",
    ast.Dict: "dict",
    ast.DictComp: "dict",
    ast.Set: "set",
    ast.SetComp: "set",
    ast.JoinedStr: "str",
}
_MAKERS = {"sorted": "list", "len": "int"} | {
    name: name for name in ("list", "tuple", "dict", "set", "frozenset", "str", "int", "float")
}
_METHODS = {"split": "list", "splitlines": "list", "lower": "str", "upper": "str", "strip": "str"}
_PLAIN = (ast.Name, ast.Constant, ast.Subscript, ast.Slice, ast.Tuple, ast.UnaryOp, ast.BinOp)
Loop = ast.For | ast.While | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def outermost(source: Source, node: ast.AST, names: Collection[str]) -> Loop | None:
    """Return the outermost loop that repeats a node while none of these names changes."""
    found: Loop | None = None
    below, once = node, node
    for above in source.above(node):
        if isinstance(above, Function | ast.Lambda | ast.ClassDef):
            break
        if isinstance(above, ast.comprehension) and below is above.iter:
            once = above  # what the first of them goes through is asked for but once
        elif isinstance(above, Loop) and _repeats(above, below, once):
            if not all(is_fixed(source, name, above) for name in names):
                break
            found = above
        below = above
    return found


def _repeats(loop: Loop, below: ast.AST, once: ast.AST) -> bool:
    if isinstance(loop, ast.For):
        return below in loop.body
    if isinstance(loop, ast.While):
        return below not in loop.orelse
    return not below is once is loop.generators[0]


def is_fixed(source: Source, name: str, within: ast.AST) -> bool:
    """Return whether a name stands for one object there, and that object is only read."""
    is_scalar = kind_of(source, name, within) in SCALARS
    for node in ast.walk(within):
        if isinstance(node, Function | ast.Lambda | ast.Global | ast.Nonlocal):
            return False  # whoever runs later may do anything
        if isinstance(node, ast.Name) and node.id == name:
            if not isinstance(node.ctx, ast.Load):
                return False
            if not is_scalar and not is_read(source, node):
                return False
    return True


def is_read(source: Source, node: ast.expr, within: frozenset[str] = frozenset()) -> bool:
    """Return whether what stands around a value only reads it, and lets nobody else keep it.

    `within` are functions about which that is being found out.
    """
    above = source.parents[node]
    if isinstance(above, ast.Attribute):
        call = source.parents[above]
        return isinstance(call, ast.Call) and call.func is above and above.attr in READERS
    if isinstance(above, ast.Subscript):
        return above.value is node and isinstance(above.ctx, ast.Load)
    if isinstance(above, ast.Call):
        is_asked = isinstance(above.func, ast.Name) and above.func.id in ASKS
        is_joined = isinstance(above.func, ast.Attribute) and above.func.attr in READERS
        is_asked = is_asked or _only_reads(source, above, node, within)
        return node in above.args and (is_asked or is_joined)
    if isinstance(above, ast.For | ast.comprehension):
        return above.iter is node
    if isinstance(above, ast.If | ast.While | ast.IfExp):
        return above.test is node
    return isinstance(above, ast.Compare) or (
        isinstance(above, ast.UnaryOp) and isinstance(above.op, ast.Not)
    )


def _only_reads(source: Source, call: ast.Call, given: ast.expr, within: frozenset[str]) -> bool:
    """Return whether a function of the module only reads what it is given in this place."""
    name = name_of(call.func)
    there = [one for one in source.tree.body if isinstance(one, Function) and one.name == name]
    if len(there) != 1 or given not in call.args or there[0].decorator_list or name in within:
        return bool(there) and name in within
    taken = [one.arg for one in (*there[0].args.posonlyargs, *there[0].args.args)]
    place = call.args.index(given)
    if place >= len(taken) or list(bound(there[0])).count(taken[place]) > 1:
        return False
    uses = uses_of(there[0], taken[place])
    return all(is_read(source, use, within | {name}) for use in uses)


def has_equality(source: Source) -> bool:
    """Return whether a class of the file says itself what equals it: its hash may know nothing."""
    return any(isinstance(n, Function) and n.name == "__eq__" for n in ast.walk(source.tree))


def kind_of(source: Source, name: str, near: ast.AST) -> str:
    """Return the built-in kind that a name has in its function; "" where nobody can tell.

    An iterator has none: it is used up by whoever looks first.
    """
    function = source.function(near)
    if function is None:
        return ""
    arguments = function.args
    for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        if one.arg == name:
            return head_of(one.annotation) if list(bound(function)).count(name) == 1 else ""
    made = assigned(function, name)
    return _made(made[0]) if len(made) == list(bound(function)).count(name) == 1 else ""


def head_of(annotation: ast.expr | None) -> str:
    """Return what an annotation is at its head: list of `list[int]`."""
    if isinstance(annotation, ast.Subscript):
        annotation = annotation.value
    name = annotation.id if isinstance(annotation, ast.Name) else ""
    return name if name in KINDS else ""


def assigned(function: Function, name: str) -> list[ast.expr]:
    """Return the values that plain assignments give to a name, in the order of the text."""
    found = []
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and [name_of(one) for one in node.targets] == [name]:
            found.append(node.value)
        elif isinstance(node, ast.AnnAssign) and name_of(node.target) == name and node.value:
            found.append(node.value)
    return found


def uses_of(function: Function, name: str) -> list[ast.Name]:
    """Return where a function reads a name."""
    names = (one for one in ast.walk(function) if isinstance(one, ast.Name))
    return [one for one in names if one.id == name and isinstance(one.ctx, ast.Load)]


def name_of(node: ast.expr) -> str:
    """Return the name that an expression is; "" for any other."""
    return node.id if isinstance(node, ast.Name) else ""


def _made(value: ast.expr) -> str:
    """Return the kind of what an expression makes anew."""
    if isinstance(value, ast.Constant):
        kind = type(value.value).__name__
        return kind if kind in KINDS else ""
    if isinstance(value, ast.Call):
        if isinstance(value.func, ast.Name):
            return _MAKERS.get(value.func.id, "")
        return _METHODS.get(value.func.attr, "") if isinstance(value.func, ast.Attribute) else ""
    return _MADE.get(type(value), "")


def is_plain(node: ast.expr) -> bool:
    """Return whether an expression only looks up and computes: names, constants, indices."""
    parts = (one for one in ast.walk(node) if isinstance(one, ast.expr))
    return all(isinstance(one, _PLAIN) for one in parts)


def names_in(*nodes: ast.AST) -> Iterator[str]:
    """Yield the names that expressions read."""
    for node in nodes:
        yield from (one.id for one in ast.walk(node) if isinstance(one, ast.Name))
