"""agora serve: the LangGraph server, the pages, probes, metrics, MCP, and a worker."""

from typing import Annotated

import typer

from agora.app import arenas
from agora.app.cli import output


def serve(
    host: Annotated[str | None, typer.Option(help="Default: serve.host, 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Default: serve.port; 0: a free one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Serve the graphs, pages, probes and MCP, with a worker. Ctrl-C or SIGTERM ends it."""
    arenas.keep_few()
    output.run(_serve(host, port, as_json), as_json)


async def _serve(host: str | None, port: int | None, as_json: bool) -> int:
    from agora import team
    from agora.app import serving

    await team.prepare()
    said = {"host": host, "port": port}
    given = {name: value for name, value in said.items() if value is not None}
    settings = team.current().settings.serve.model_copy(update=given)
    with serving.door(settings) as door:
        url = serving.address(door)
        await serving.serve(door, settings, output.note)
    if as_json:
        output.show_json({"url": url, "stopped": True})
    else:
        output.show("stopped")
    return 0
