"""An MCP server with three tools; what it offers can be narrowed by its first argument."""

import sys

from mcp.server.fastmcp import FastMCP
from mcp.types import ToolAnnotations

server = FastMCP("weather")


@server.tool(annotations=ToolAnnotations(readOnlyHint=True, openWorldHint=False))
def warmest(celsius: list[float]) -> float:
    """Return the warmest of some temperatures."""
    return max(celsius)


@server.tool()
def forecast(city: str) -> str:
    """Return tomorrow's weather in a city."""
    return f"sun in {city}"


@server.tool()
def broken(city: str) -> str:
    """Fail, whatever it is asked."""
    raise ValueError(f"no {city}")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        server.remove_tool(name)
    server.run("stdio")
