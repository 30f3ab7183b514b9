"""MCP servers as tools: what they offer, and calls of it, through `langchain-mcp-adapters`.

A server is configured by a person and runs outside of the sandbox; what it says is untrusted.
https://modelcontextprotocol.io/specification
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agora.domain.contracts import Json
from agora.domain.doors import require_act
from agora.domain.errors import AgoraError
from agora.domain.settings import McpServerSettings
from agora.domain.tools import LONGEST_RESULT, Tool, ToolResult

PREFIX = "mcp:"
CAREFUL = ("network", "sends")
"""What a tool is taken to do that says nothing of itself."""


class McpSilentError(AgoraError):
    """An MCP server cannot be reached, or does not speak the protocol."""


async def offered(name: str, server: McpServerSettings, timeout_s: float) -> list[Tool]:
    """Return the tools of a server; raise McpSilentError."""
    require_act("discover")
    found: list[Tool] = []
    try:
        async with asyncio.timeout(timeout_s), _session(name, server) as session:
            page = await session.list_tools()
            found += (_tool(name, server, one) for one in page.tools)
            while page.nextCursor:
                page = await session.list_tools(cursor=page.nextCursor)
                found += (_tool(name, server, one) for one in page.tools)
    except (Exception, BaseExceptionGroup) as error:
        raise McpSilentError(f"the MCP server {name} does not answer: {_why(error)}") from None
    return found


async def call(
    name: str, server: McpServerSettings, tool: Tool, arguments: Json, timeout_s: float
) -> ToolResult:
    """Call a tool of a server and return what came of it; its faults are results."""
    require_act("call_tool")
    began = time.monotonic()
    try:
        async with asyncio.timeout(timeout_s), _session(name, server) as session:
            said = await session.call_tool(tool.function, arguments)
    except TimeoutError:
        late = f"gave no result within {timeout_s:g} s"
        return ToolResult(error="TimeoutError", message=late, latency_s=time.monotonic() - began)
    except (Exception, BaseExceptionGroup) as error:
        return ToolResult(
            error="McpSilentError", message=_why(error), latency_s=time.monotonic() - began
        )
    return _understood(said, time.monotonic() - began)


@asynccontextmanager
async def _session(name: str, server: McpServerSettings) -> AsyncIterator[Any]:
    from langchain_mcp_adapters.client import MultiServerMCPClient

    connections: Any = {name: _connection(server)}
    async with MultiServerMCPClient(connections).session(name) as session:
        yield session


def _connection(server: McpServerSettings) -> Json:
    if server.url:
        headers = {key: value.get_secret_value() for key, value in server.headers.items()}
        return {"transport": "streamable_http", "url": server.url, "headers": headers}
    command, *arguments = server.command
    # A bare environment: what Agora knows in its own is no business of a server's.
    env = {"PATH": os.environ.get("PATH", os.defpath)} | {
        key: value.get_secret_value() for key, value in server.env.items()
    }
    return {"transport": "stdio", "command": command, "args": arguments, "env": env}


def _tool(name: str, server: McpServerSettings, one: Any) -> Tool:
    parameters = dict(one.inputSchema or {})
    known: Json = {"type": "object", "properties": {}, "required": []}
    return Tool(
        name=f"{name}.{one.name}",
        kind="mcp",
        path=f"{PREFIX}{name}",
        function=one.name,
        line=1,
        description=one.description or one.title or one.name,
        parameters=known | {key: parameters[key] for key in known if key in parameters},
        tags=_tags(server, one.annotations),
        capability=one.name.replace("_", " "),
        needs=(f"server:{name}",),
    )


def _tags(server: McpServerSettings, hints: Any) -> tuple[str, ...]:
    """Return what the person says of the server, else what it hints; else the careful words."""
    if server.tags is not None:
        return tuple(sorted({*server.tags, "untrusted"}))
    tags = {"untrusted"}
    if hints is None or hints.openWorldHint is not False:
        tags |= {*CAREFUL}
    tags.add("reads" if hints is not None and hints.readOnlyHint else "writes")
    return tuple(sorted(tags))


def _understood(said: Any, latency_s: float) -> ToolResult:
    text = "\n".join(part.text for part in said.content if hasattr(part, "text"))
    if said.isError:
        return ToolResult(error="McpToolError", message=text[:2000], latency_s=latency_s)
    value: Any = text
    if said.structuredContent is not None:
        value = said.structuredContent
        value = value["result"] if set(value) == {"result"} else value
    if len(str(value)) > LONGEST_RESULT:
        return ToolResult(value=str(value)[:LONGEST_RESULT], mark="cut", latency_s=latency_s)
    return ToolResult(value=value, latency_s=latency_s)


def _why(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"[:300]
