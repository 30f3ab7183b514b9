"""Tools: found in a workspace, called in the sandbox, every call recorded and judged."""

import asyncio
import os
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from agora.domain import git, mcp_servers, tools
from agora.domain.contracts import Act, ActOutcome, AgentTask, Json, ToolCall
from agora.domain.discovery import discover
from agora.domain.errors import UsageError
from agora.domain.injections import gives_orders
from agora.domain.repair.interpreters import OWN, Interpreter
from agora.domain.repair.sandbox import Sandbox, choose_sandbox
from agora.domain.repair.trials import copied
from agora.domain.repair.walls import give_away
from agora.domain.settings import Settings
from agora.domain.tools import Tool, ToolArgumentsError, ToolResult
from agora.team.acting import Acting, case, standing_alone
from agora.team.watching import Watching
from memory import tools as table

Oracle = Callable[[ToolCall], bool]
MAX_FILE = 1_000_000  # bytes of a source file that is still looked at


def has_run(call: ToolCall) -> bool:
    """Judge a call by itself: right if it has raised nothing."""
    return call.error is None


@dataclass
class Tooling:
    """The tools of workspaces."""

    settings: Settings
    acting: Acting
    watching: Watching
    _known: dict[str, tuple[object, list[Tool]]] = field(default_factory=dict, init=False)

    async def of(self, workspace: str, *, files_only: bool = False) -> list[Tool]:
        """Return the tools of a workspace as its files are now, and what servers bring to it.

        Raises WorkspaceError.
        """
        root = str(Path(workspace).absolute())
        found = await asyncio.to_thread(self._of, root)
        if files_only or not self.settings.tools.mcp:
            return found
        async with self.watching.database.transaction() as connection:
            served = await table.served(connection, root)
        configured = {f"{mcp_servers.PREFIX}{name}" for name in self.settings.tools.mcp}
        return found + [tool for tool in served if tool.path in configured]

    def _of(self, workspace: str) -> list[Tool]:
        paths = _sources(Path(workspace))
        stamp = [(str(path), path.stat().st_mtime_ns) for path in paths]
        known = self._known.get(workspace)
        if known is None or known[0] != stamp:
            files = {path.relative_to(workspace).as_posix(): _text(path) for path in paths}
            known = self._known[workspace] = (stamp, discover(files))
        return known[1]

    async def admitted(self, workspace: str, patterns: Sequence[str]) -> list[Tool]:
        """Return the tools whose names an expert's patterns match."""
        found = await self.of(workspace)
        return [one for one in found if any(fnmatchcase(one.name, glob) for glob in patterns)]

    def permitted(self, task: AgentTask, actor: str, given: Sequence[Tool]) -> list[Tool]:
        """Return the tools that a policy lets an expert call now, after a person's yes or without.

        What describes itself by orders to its reader is not shown to a model.
        """
        may = [one for one in given if not gives_orders(one.description)]
        verdicts = ((one, self.acting.policy.decide(_act(task, actor, one, may))) for one in may)
        return [one for one, said in verdicts if said.is_allowed or said.asks]

    async def find(self, workspace: str, name: str) -> Tool:
        """Return the tool of this name; raise UsageError naming those there are."""
        known = {tool.name: tool for tool in await self.of(workspace)}
        if name not in known:
            there = ", ".join(sorted(known)[:10]) or "none"
            raise UsageError(f"{workspace} has no tool {name}", f"tools there: {there}")
        return known[name]

    async def run(
        self,
        workspace: str,
        name: str,
        arguments: Json,
        *,
        judge: Oracle = has_run,
        trust_workspace: bool = False,
    ) -> ToolCall:
        """Call a tool for a person, outside of any task, and count the outcome."""
        tool = await self.find(workspace, name)
        act = Act(kind="call_tool", subject=name, actor="operator", facts=_facts(tool, []))
        with standing_alone(uuid.uuid4().hex[:16], "run"):
            return await self._perform(workspace, tool, arguments, act, judge, trust_workspace)

    async def answer(
        self,
        task: AgentTask,
        actor: str,
        given: Sequence[Tool],
        name: str,
        arguments: Json,
        ordinal: int,
    ) -> ToolCall:
        """Call a tool for an expert. Whatever is wrong with the call is said in its `error`."""
        tool = next((one for one in given if spoken_name(one) == name or one.name == name), None)
        if tool is None:
            there = ", ".join(spoken_name(one) for one in given)
            return ToolCall(
                name=name, arguments=arguments, error=f"no such tool; there are {there}"
            )
        act = _act(task, actor, tool, given).but(ordinal=ordinal)
        try:
            return await self._perform(str(task.workspace), tool, arguments, act, has_run, False)
        except ToolArgumentsError as error:
            return ToolCall(name=name, arguments=arguments, error=str(error))

    async def _perform(
        self,
        workspace: str,
        tool: Tool,
        arguments: Json,
        act: Act,
        judge: Oracle,
        trust_workspace: bool,
    ) -> ToolCall:
        arguments = tools.check_arguments(tool, arguments)
        root = Path(workspace).absolute()

        async def do() -> ActOutcome:
            result = await self._call(root, tool, arguments, trust_workspace)
            call = tools.record(tool, arguments, result, self.settings.secrets)
            place: Json = {"line": result.line, "file": result.file}
            place |= {"is_whole": _is_whole(call, arguments, result)}
            return ActOutcome(result={"call": call.as_json(), "place": place})

        done = await self.acting.perform(act, do)
        call = ToolCall.model_validate(done["call"])
        place = done["place"] | {"act": act.key(case.get())}
        await self._tell(str(root), tool, call, act.actor, judge(call), place)
        return call

    async def _call(
        self, root: Path, tool: Tool, arguments: Json, trust_workspace: bool
    ) -> ToolResult:
        timeout_s = self.settings.execution.tool_s
        if tool.kind == "mcp":
            name = tool.path.removeprefix(mcp_servers.PREFIX)
            server = self.settings.tools.mcp[name]
            return await mcp_servers.call(name, server, tool, arguments, timeout_s)
        sandbox = choose_sandbox(self.settings.sandbox, trust_workspace)

        def run() -> ToolResult:
            with lent(root, sandbox) as tree:
                return tools.call(sandbox, tree, tool, arguments, timeout_s, python_of(root))

        return await asyncio.to_thread(run)

    async def _tell(
        self, workspace: str, tool: Tool, call: ToolCall, actor: str, is_right: bool, place: Json
    ) -> None:
        told: Json = {"workspace": workspace, "path": tool.path, "tool": tool.name}
        known = {"arguments": call.arguments, "latency_s": call.latency_s}
        good = told | known | {"result": call.result} if place.pop("is_whole", False) else None
        told |= known | {"is_right": is_right, "error": call.error, "actor": actor} | place
        await self.watching.judge(told, case.get().correlation_id, good=good)


def _is_whole(call: ToolCall, arguments: Json, result: ToolResult) -> bool:
    """Return whether the record of a good call holds all of it, so that it can be replayed."""
    is_plain = result.error is None and not result.mark
    return is_plain and call.arguments == arguments and bool(call.result == result.value)


def spoken_name(tool: Tool) -> str:
    """Return the tool's name as model servers allow it: letters, digits, `_` and `-`."""
    return re.sub(r"[^\w-]", "_", tool.name)


def spec_of(tool: Tool) -> Json:
    """Return the tool as chat servers want it described."""
    return {
        "type": "function",
        "function": {
            "name": spoken_name(tool),
            "description": tool.description,
            "parameters": tool.parameters,
        },
    }


def _act(task: AgentTask, actor: str, tool: Tool, given: Sequence[Tool]) -> Act:
    facts = _facts(tool, given) | {"labels": list(task.labels), "tenant": task.tenant}
    return Act(kind="call_tool", subject=tool.name, actor=actor, facts=facts)


def _facts(tool: Tool, given: Sequence[Tool]) -> Json:
    return {
        "tags": list(tool.tags),
        "tools": [one.name for one in given],
        "sends": "sends" in tool.tags,
    }


def _sources(root: Path) -> list[Path]:
    names = git.read(root, "ls-files", "-z", "--", "*.py", "pyproject.toml").split("\0")
    paths = [root / name for name in names if name]
    return [path for path in paths if path.is_file() and path.stat().st_size <= MAX_FILE]


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace")


@contextmanager
def lent(root: Path, sandbox: Sandbox) -> Iterator[Path]:
    """Lend the work tree, or a copy: what only root may read, nobody in a sandbox can."""
    if sandbox.is_trusted or os.geteuid() or root.stat().st_mode & 0o005 == 0o005:
        yield root
        return
    with copied(root) as tree:
        give_away(tree)
        yield tree


def python_of(root: Path) -> Interpreter:
    """Return the Python that a workspace runs under: its own, else ours."""
    own = root / ".venv" / "bin" / "python"
    return Interpreter(own) if os.access(own, os.X_OK) else OWN
