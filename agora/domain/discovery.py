"""Finding the tools of a workspace in its source: nothing of it runs.

A tool is a public top-level function with a docstring whose every parameter has a type that JSON
can carry. `[tool.agora]` in pyproject.toml may narrow the choice and add tags.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from pydantic import ValidationError

from agora.domain.contracts import Contract
from agora.domain.errors import WorkspaceError
from agora.domain.safety import packages_of, tags_of
from agora.domain.signatures import Function, parameters_of, parsed, schema_of
from agora.domain.tools import Tool, module_of

TAGS = ("pure", "reads", "writes", "network", "sends", "private", "untrusted", "verifies")
"""What a tool may be said to do; `sends`, `private` and `untrusted` are asked by policies.

One that `verifies` takes `task` and `answer`, and returns whether the answer holds.
"""

IMPURE = frozenset(("reads", "writes", "network", "sends"))

_NO_TOOLS = re.compile(
    r"(?:^|/)(?:[._](?!_init__\.py$)|tests?/|testing/|docs?/|build/|dist/|node_modules/|venv/|env/"
    r"|site-packages/|migrations/|test_[^/]*$|conftest\.py$|setup\.py$|noxfile\.py$)|_test\.py$"
)
_NOT_CALLED = frozenset(("fixture", "overload", "contextmanager", "asynccontextmanager", "command"))
_NETWORK = frozenset(
    "socket ssl http.client urllib.request ftplib smtplib imaplib poplib xmlrpc requests httpx "
    "aiohttp urllib3 websockets paramiko boto3 slack_sdk".split()
)


_FORMS = {
    "tools": '["module:function", …]',
    "exclude": '["module:function", "module", …]',
    "tags": '{ "module:function" = ["sends", …] }',
    "needs": '{ "module:function" = ["program:ffmpeg", …] }',
    "capabilities": '{ "module:function" = "currency conversion" }',
}


class _Wishes(Contract):
    tools: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    tags: dict[str, tuple[str, ...]] = {}
    needs: dict[str, tuple[str, ...]] = {}
    capabilities: dict[str, str] = {}

    def wants(self, entry: str) -> bool:
        """Return whether `module:function` is chosen; patterns may name a whole module."""
        chosen = self.tools is None or _matches(entry, self.tools)
        return chosen and not _matches(entry, self.exclude)


def discover(files: Mapping[str, str]) -> list[Tool]:
    """Return the tools of a work tree, by name; `files` maps paths with slashes to text.

    A file that does not parse holds none for now. Raises WorkspaceError when `[tool.agora]` says
    something that cannot be followed.
    """
    wishes = _read_wishes(files.get("pyproject.toml", ""))
    found: dict[str, Tool] = {}
    unread: set[str] = set()
    own = frozenset(part for path in files for part in path.removesuffix(".py").split("/"))
    for path, text in sorted(files.items()):
        if path.endswith(".py") and not _NO_TOOLS.search(path):
            tree = parsed(text)
            if tree is None:
                unread.add(module_of(path))
            else:
                found |= {_entry(tool): tool for tool in _tools_of(path, tree, own)}
    _check(wishes, found, unread)
    kept = [_described(tool, wishes) for entry, tool in found.items() if wishes.wants(entry)]
    return sorted(kept, key=lambda tool: tool.name)


def _entry(tool: Tool) -> str:
    return f"{tool.module}:{tool.function}"


def _matches(entry: str, patterns: Iterable[str]) -> bool:
    module = entry.partition(":")[0]
    return any(fnmatchcase(entry, one) or fnmatchcase(module, one) for one in patterns)


def _read_wishes(text: str) -> _Wishes:
    try:
        table = tomllib.loads(text).get("tool")
        return _Wishes.model_validate(table.get("agora", {}) if isinstance(table, dict) else {})
    except tomllib.TOMLDecodeError as error:
        raise WorkspaceError(f"pyproject.toml is not TOML: {error}") from None
    except ValidationError as error:
        key = str((*error.errors()[0]["loc"], "it")[0])
    if key not in _FORMS:
        allowed = ", ".join(_FORMS)
        raise WorkspaceError(f"pyproject.toml: [tool.agora] has no key {key!r}", f"use {allowed}")
    raise WorkspaceError(f"pyproject.toml: [tool.agora] {key} must be like {_FORMS[key]}")


def _check(wishes: _Wishes, found: Mapping[str, Tool], unread: Iterable[str]) -> None:
    for entry in (*(wishes.tools or ()), *wishes.tags, *wishes.needs, *wishes.capabilities):
        broken = any(_matches(f"{module}:", (entry.partition(":")[0],)) for module in unread)
        if not broken and not any(_matches(one, (entry,)) for one in found):
            raise WorkspaceError(
                f"pyproject.toml: [tool.agora] names {entry!r}, and there is no such tool",
                "a tool is a public function with a docstring and a JSON type for each parameter",
            )
    for entry, tags in wishes.tags.items():
        if unknown := set(tags) - set(TAGS):
            words = ", ".join(sorted(unknown))
            raise WorkspaceError(
                f"pyproject.toml: [tool.agora] tags of {entry!r} are unknown: {words}",
                f"use {', '.join(TAGS)}",
            )


def _described(tool: Tool, wishes: _Wishes) -> Tool:
    """Return a tool with what its workspace says of it; without a word its name is what it can."""
    said = set(_said(tool, wishes.tags))
    tags = {*tool.tags, *said}
    if tags & IMPURE and "pure" not in said:
        tags.discard("pure")
    needs = {*tool.needs, *_said(tool, wishes.needs)}
    named = [what for entry, what in wishes.capabilities.items() if _is(tool, entry)]
    capability = named[-1] if named else tool.function.replace("_", " ")
    return tool.but(tags=tuple(sorted(tags)), needs=tuple(sorted(needs)), capability=capability)


def _said(tool: Tool, words: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    return (word for entry, named in words.items() if _is(tool, entry) for word in named)


def _is(tool: Tool, entry: str) -> bool:
    return _matches(_entry(tool), (entry,))


def _tools_of(path: str, tree: ast.Module, own: frozenset[str]) -> Iterator[Tool]:
    # What reaches the network can carry data out, whatever it was written for.
    sends = ("network", "sends") if _NETWORK & set(_imports(tree)) else ()
    packages = packages_of(tree, own | sys.stdlib_module_names)
    wraps = any(name.startswith("langchain") for name in _imports(tree))
    for node in tree.body:
        if isinstance(node, Function) and (tool := _tool(path, node)):
            tags = tuple(sorted({*sends, *tags_of(node, tree)}))
            kind = "langchain" if wraps and "tool" in _decorators(node) else "function"
            needs = tuple(f"package:{name}" for name in packages)
            yield tool.but(tags=tags, kind=kind, needs=needs)


def _tool(path: str, node: Function) -> Tool | None:
    parameters, returns = parameters_of(node), schema_of(node.returns)
    description, module = ast.get_docstring(node) or _worded(node), module_of(path)
    if node.name.startswith("_") or not description or parameters is None:
        return None
    if (node.returns and returns is None) or _NOT_CALLED & set(_decorators(node)):
        return None
    if not parameters["properties"] and returns in (None, {"type": "null"}):
        return None  # takes nothing, gives nothing: a script's main
    return Tool(
        name=f"{module}.{node.name}" if module else node.name,
        path=path,
        function=node.name,
        line=node.lineno,
        description=description,
        parameters=parameters,
        returns=returns or {},
    )


def _worded(node: Function) -> str | None:
    """Return the description that LangChain's decorator is given in the place of a docstring."""
    for decorator in node.decorator_list:
        for keyword in getattr(decorator, "keywords", ()):
            if keyword.arg == "description" and isinstance(keyword.value, ast.Constant):
                return str(keyword.value.value)
    return None


def _decorators(node: Function) -> Iterator[str]:
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(called, ast.Name | ast.Attribute):
            yield called.id if isinstance(called, ast.Name) else called.attr


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (part for name in names for part in (name, name.partition(".")[0]))
