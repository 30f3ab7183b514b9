"""Whether a function alters what outlives its call: its module's lists, classes, its own defaults.

Careful in one direction: what is not seen to be only read is taken to be altered.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agora.domain.repair.invariants import ASKS, READERS
from agora.domain.repair.source import Function, bound

ASKING = READERS | frozenset(
    "search match fullmatch findall finditer sub subn issuperset intersection difference format "
    "symmetric_difference most_common total rfind rindex partition rsplit lstrip rstrip".split()
)
"""Methods that leave their object as it is, of patterns and counts as well."""
ALTERING = frozenset(
    "heappush heappop heapify heappushpop heapreplace insort insort_left insort_right "
    "shuffle".split()
)
"""Functions of other modules that alter what they are given."""
FIXED_CALLS = frozenset(
    "frozenset tuple compile Decimal Fraction int float str bytes range len max min sum timedelta "
    "date datetime Path PurePath TypeVar NewType namedtuple".split()
)
_FIXED = (ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Lambda, ast.JoinedStr)
_SHOWN = (ast.Tuple, ast.BinOp, ast.UnaryOp, ast.Compare)
Chain = list[Any]
Parents = dict[ast.AST, ast.AST]
_ALIASES = (ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.List, ast.Tuple, ast.Set, ast.Dict)


def alters_state(reached: ast.Module, module: ast.Module) -> bool:
    """Return whether one of these definitions of a module may alter what is there afterwards."""
    return any(_State(reached, module).altered())


@dataclass(frozen=True)
class _State:
    """What a module keeps, and the definitions that may reach it."""

    reached: ast.Module
    module: ast.Module

    @property
    def defined(self) -> set[str]:
        """Return the names of the module's own functions and classes."""
        return {one.name for one in self.module.body if isinstance(one, Function | ast.ClassDef)}

    def altered(self) -> Iterator[bool]:
        """Yield for each use of what outlives the call whether it may be altered there."""
        parents = _parents(self.reached)
        kept = {name for node in self.module.body for name in _kept(node)}
        for function in [one for one in ast.walk(self.reached) if isinstance(one, Function)]:
            own, lasting = set(_names_of(function, parents)), set(_lasting(function))
            for node in [one for one in ast.walk(function) if isinstance(one, ast.Name)]:
                if isinstance(node.ctx, ast.Load) and (node.id in lasting or node.id not in own):
                    is_kept = node.id in kept | lasting
                    yield not self._is_read(_chain(node, parents), parents, is_kept)

    def _is_read(
        self, chain: Chain, parents: Parents, is_kept: bool, within: frozenset[str] = frozenset()
    ) -> bool:
        """Return whether a name, and what hangs on it, is only looked at.

        `within` are functions about which that is being found out.
        """
        last, above = chain[-1], parents.get(chain[-1])
        if isinstance(last, ast.Attribute | ast.Subscript) and not isinstance(last.ctx, ast.Load):
            return False
        is_called = isinstance(above, ast.Call) and above.func is last
        if is_called and isinstance(last, ast.Attribute):
            # What hangs on a class of the module may be one thing for all calls.
            is_elsewhere = not is_kept and (len(chain) == 2 or chain[0].id not in self.defined)
            return last.attr in ASKING or is_elsewhere
        if not is_kept or is_called:
            return True
        if isinstance(above, ast.Call) and isinstance(above.func, ast.Name):
            return above.func.id in ASKS or self._reads(above, last, within)
        if isinstance(above, ast.Call) and isinstance(above.func, ast.Attribute):
            return above.func.attr not in ALTERING
        return not isinstance(above, _ALIASES)

    def _reads(self, call: ast.Call, given: ast.expr, within: frozenset[str]) -> bool:
        """Return whether a function of the module only looks at what it is given in this place."""
        functions = {one.name: one for one in self.module.body if isinstance(one, Function)}
        callee = functions.get(_called(call))
        if callee is None or given not in call.args:
            return False
        if callee.name in within:
            return True
        place = call.args.index(given)
        taken = [one.arg for one in (*callee.args.posonlyargs, *callee.args.args)][place:][:1]
        if [one for one in bound(callee) if one in taken] != taken or not taken:
            return False
        parents = _parents(callee)
        uses = [one for one in ast.walk(callee) if isinstance(one, ast.Name) and one.id in taken]
        within |= {callee.name}
        return all(self._is_read(_chain(one, parents), parents, True, within) for one in uses)


def _kept(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement of a module gives to what can be altered."""
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and not _is_fixed(node.value):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            yield from (one.id for one in ast.walk(target) if isinstance(one, ast.Name))
    elif isinstance(node, ast.If | ast.Try | ast.With):
        for below in ast.iter_child_nodes(node):
            yield from _kept(below) if isinstance(below, ast.stmt) else ()


def _lasting(function: Function) -> Iterator[str]:
    """Yield the parameters whose default is one object for all calls, and can be altered."""
    arguments = function.args
    late = [*arguments.posonlyargs, *arguments.args][::-1]
    pairs = [*zip(late, arguments.defaults[::-1], strict=False)]
    pairs += [
        (one, default)
        for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is not None
    ]
    yield from (one.arg for one, default in pairs if not _is_fixed(default))


def _is_fixed(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return _called(value) in FIXED_CALLS
    if isinstance(value, _SHOWN):
        parts = [one for one in ast.iter_child_nodes(value) if isinstance(one, ast.expr)]
        return all(map(_is_fixed, parts))
    return isinstance(value, _FIXED)


def _called(call: ast.AST) -> str:
    function = call.func if isinstance(call, ast.Call) else None
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _parents(tree: ast.AST) -> Parents:
    return {below: above for above in ast.walk(tree) for below in ast.iter_child_nodes(above)}


def _names_of(function: Function, parents: Parents) -> Iterator[str]:
    """Yield the names that a function and those around it bind."""
    node: ast.AST | None = function
    while node is not None:
        if isinstance(node, Function):
            yield from bound(node)
        node = parents.get(node)


def _chain(node: ast.Name, parents: Parents) -> Chain:
    """Return a name and what hangs on it: `kept`, `kept.notes`, `kept.notes[0]`."""
    found: list[Any] = [node]
    while isinstance(above := parents.get(found[-1]), ast.Attribute | ast.Subscript):
        if above.value is not found[-1]:
            break
        found.append(above)
    return found
