"""agora stats: the product's own figures."""

from typing import Annotated

import typer

from agora.app.cli import output


def stats(
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Show what was done, what it cost, and what waits; each figure from records."""
    output.run(_stats(as_json), as_json, output.nothing_to_resume)


async def _stats(as_json: bool) -> int:
    from agora import team
    from agora.app import reports

    async with team.opened() as current:
        told = await reports.figures(current)
    if as_json:
        output.show_json(told)
        return 0
    output.show_figures(told)
    return 0
