"""Registering: which tools a workspace has, what they are worth, and their way back."""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from agora.domain import mcp_servers, registry
from agora.domain.contracts import Act, ActOutcome, Approval, Change, Json
from agora.domain.errors import UsageError, WorkspaceError
from agora.domain.mcp_servers import McpSilentError
from agora.domain.registry import Difference
from agora.domain.repair.instincts import Habit, of_tools
from agora.domain.settings import Settings
from agora.domain.signatures import parsed
from agora.domain.tools import Tool
from agora.team.acting import Acting, standing_alone
from agora.team.alerting import Alerting
from agora.team.changing import Changing
from agora.team.clocks import Clock
from agora.team.indexing import Indexing
from agora.team.prompting import declared
from agora.team.tooling import Tooling
from memory import tools as table
from memory.database import Database, Row

FOUND = 5
"""How many tools a search by meaning shows."""


@dataclass(frozen=True)
class Registering:
    """The registry of tools, in step with files and servers."""

    settings: Settings
    database: Database
    acting: Acting
    tooling: Tooling
    changing: Changing
    indexing: Indexing
    alerting: Alerting
    clock: Clock

    async def sync(
        self, workspace: str, *, servers: bool = True, dry_run: bool = False
    ) -> Difference:
        """Bring the registry in step with the files, and with MCP servers unless told otherwise.

        Whoever deletes a valuable tool is told, and how it comes back. A file that does not parse,
        and a server that does not answer, leave their tools as they were.
        """
        found, silent = await self._found(workspace, servers)
        living = [row for row in await self.known(workspace) if row["gone_at"] is None]
        paths = {row["path"] for row in living} - silent
        unread = await asyncio.to_thread(_unreadable, workspace, paths) | silent
        here = {row["name"]: row for row in living if row["path"] not in unread}
        told = registry.difference(
            {name: row["digest"] for name, row in here.items()},
            {name: digest for name, (_, digest, _) in found.items()},
        )
        if dry_run:
            return told
        await self._warn(workspace, [here[name] for name in told.gone], found)
        now = self.clock()
        async with self.database.transaction() as connection:
            # By name, whatever becomes of it: two who look at once do not wait for each other.
            for name in sorted((*told.added, *told.changed, *told.gone)):
                if name in found:
                    await table.put(connection, workspace, *found[name], now)
                else:
                    await table.go(connection, workspace, name, now)
        return told

    async def refresh(self, change_id: str) -> None:
        """Bring the registry in step with what a change has made of its workspace."""
        row = await self.changing.find(change_id)
        if row["kind"] != "patch":
            return
        try:
            await self.sync(row["workspace"], servers=False)
        except WorkspaceError as error:  # the commit stands, whatever the registry can read
            await self.alerting.alert("registry", row["workspace"], str(error))

    async def _found(
        self, workspace: str, servers: bool
    ) -> tuple[dict[str, tuple[Tool, str, str]], set[str]]:
        """Return each tool with digest and source, and the servers that were not heard."""
        silent, found = set[str](), dict[str, tuple[Tool, str, str]]()
        for tool in await self.tooling.of(workspace, files_only=True):
            source = await asyncio.to_thread(_text, workspace, tool.path)
            found[tool.name] = (tool, registry.digest_of(tool, source), source)
        for name, server in self.settings.tools.mcp.items():
            path = f"{mcp_servers.PREFIX}{name}"
            if not any(fnmatchcase(workspace, glob) for glob in server.workspaces):
                continue
            offered = await self._offered(name) if servers else None
            if offered is None:
                silent.add(path)
            for tool in offered or ():
                found[tool.name] = (tool, registry.digest_of(tool, ""), "")
        return found, silent

    async def _offered(self, name: str) -> list[Tool] | None:
        """Return what a server offers; None: it is silent, and a person is told."""
        server, limit_s = self.settings.tools.mcp[name], self.settings.tools.look_s

        async def look() -> ActOutcome:
            tools = await mcp_servers.offered(name, server, limit_s)
            return ActOutcome(result={"tools": [tool.as_json() for tool in tools]})

        act = Act(kind="discover", subject=f"{mcp_servers.PREFIX}{name}")
        with standing_alone(uuid.uuid4().hex[:16], "sync"):
            try:
                said = await self.acting.perform(act, look)
            except McpSilentError as error:
                await self.alerting.alert("mcp_silent", name, str(error))
                return None
        return [Tool.model_validate(one) for one in said["tools"]]

    async def _warn(
        self, workspace: str, gone: list[Row], found: Mapping[str, tuple[Tool, str, str]]
    ) -> None:
        for row in gone:
            worth = await self._value(workspace, row, [tool for tool, _, _ in found.values()])
            if worth >= self.settings.repair.valuable:
                text = (
                    f"the tool {row['name']} is gone, and was worth {worth:.1f}; it comes back by"
                )
                text += f" agora tools restore {row['name']} --workspace {workspace}"
                subject = f"{workspace}:{row['path']}:{row['name']}"
                await self.alerting.alert("tool_deleted", subject, text)

    async def value(self, workspace: str, name: str) -> float:
        """Return what a tool is worth now; the formula is that of `agora.domain.registry`."""
        rows = await self.known(workspace)
        row = next((one for one in rows if one["name"] == name), None)
        if row is None:
            raise UsageError(f"the registry has no tool {name}", "agora tools sync")
        living = [Tool.model_validate(one["body"]) for one in rows if one["gone_at"] is None]
        return await self._value(workspace, row, living)

    async def habits(self, workspace: str) -> list[Habit]:
        """Return which tools to keep and which to deprecate, and why."""
        rows = [row for row in await self.known(workspace) if row["gone_at"] is None]
        living = [Tool.model_validate(row["body"]) for row in rows]
        async with self.database.transaction() as connection:
            fruitless = await table.fruitless(connection, workspace)
        told = [
            {
                "name": row["name"],
                "value": await self._value(workspace, row, living),
                "fruitless": fruitless.get(row["name"], 0),
                "alternatives": _others(row, living),
            }
            for row in rows
        ]
        return of_tools(told, self.settings.repair.valuable)

    async def _value(self, workspace: str, row: Row, living: list[Tool]) -> float:
        days = registry.VALUE_DAYS
        async with self.database.transaction() as connection:
            good = await table.callers(connection, workspace, row["name"], self.clock(), days)
        others = _others(row, living)
        patterns = {expert.name: expert.tools for expert in declared()}
        return registry.value(good, others, patterns)

    async def known(self, workspace: str) -> list[Row]:
        """Return every tool that the registry has of a workspace."""
        async with self.database.transaction() as connection:
            return await table.known(connection, workspace)

    async def near(self, workspace: str, text: str) -> list[tuple[float, Tool]]:
        """Return the tools whose descriptions are nearest in meaning, in [-1, 1], best first."""
        found = await self.tooling.of(workspace)
        if not found:
            return []
        told = [f"{one.capability}. {one.description}" for one in found]
        wanted, *vectors = await self.indexing.vectors("default", [text, *told])
        scored = [
            (sum(a * b for a, b in zip(wanted, vector, strict=True)), tool)
            for vector, tool in zip(vectors, found, strict=True)
        ]
        return sorted(scored, key=lambda one: -one[0])[:FOUND]

    async def delete(self, workspace: str, name: str) -> Json:
        """Commit a function's deletion because a person wants it; return change, commit, value."""
        await self.sync(workspace, servers=False)
        tool, worth = await self.tooling.find(workspace, name), await self.value(workspace, name)
        if tool.kind == "mcp":
            raise UsageError(f"{name} belongs to an MCP server", "leave the server out: tools.mcp")
        source = await asyncio.to_thread(_text, workspace, tool.path)
        diff = registry.deletion(tool.path, source, tool.function)
        told = await self._commit(workspace, tool.path, diff, f"Delete the tool {name}")
        await self.sync(workspace, servers=False)
        return told | {"value": worth}

    async def restore(self, workspace: str, name: str) -> Json:
        """Commit a tool that is gone as it was last seen; return change and commit."""
        row = next((one for one in await self.known(workspace) if one["name"] == name), None)
        if row is None or row["gone_at"] is None or not row["source"]:
            raise UsageError(f"{name} is not gone from {workspace}", "agora tools list")
        here = await asyncio.to_thread(_text_or_none, workspace, row["path"])
        function = str(row["body"]["function"])
        diff = registry.restoration(row["path"], row["source"], here, function)
        told = await self._commit(workspace, row["path"], diff, f"Bring the tool {name} back")
        await self.sync(workspace, servers=False)
        return told

    async def _commit(self, workspace: str, path: str, diff: str, title: str) -> Json:
        change = Change(
            id=f"tool-{uuid.uuid4().hex[:12]}",
            subject=path,
            workspace=workspace,
            base=await self.changing.subjects["patch"].head(workspace),
            diff=diff,
            at=self.clock().isoformat(timespec="seconds"),
            title=title,
        )
        said = Approval(
            change_id=change.id, type="approve", digest=change.digest, by="operator", reason=title
        )
        with standing_alone(change.id, "registry"):
            await self.changing.propose(change, None, {"report": title})
            await self.changing.hear(change.id, said.model_dump(include={"type", "by", "reason"}))
            commit = await self.changing.deploy(change.id)
        return {"change_id": change.id, "commit": commit, "diff": diff}


def _others(row: Row, living: list[Tool]) -> list[str]:
    """Return the names of living tools with the capability of another one."""
    alike = (one for one in living if one.capability == row["capability"])
    return [one.name for one in alike if one.name != row["name"]]


def _text(workspace: str, path: str) -> str:
    text = Path(workspace, path).read_text("utf-8", "replace")
    return text if len(text) <= registry.LONGEST_SOURCE else ""


def _text_or_none(workspace: str, path: str) -> str | None:
    return _text(workspace, path) if Path(workspace, path).is_file() else None


def _unreadable(workspace: str, paths: set[str]) -> set[str]:
    """Return those of the paths that are there, and do not parse: their tools are not gone."""
    texts = {path: _text_or_none(workspace, path) for path in paths}
    return {path for path, text in texts.items() if text is not None and parsed(text) is None}
