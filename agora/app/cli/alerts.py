"""agora alerts: what people were told, and what was held back."""

from typing import Annotated

import typer

from agora.app.cli import output


def alerts(
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Show the newest alerts: sent, waiting for a channel, or held back in a flood."""
    output.run(_alerts(limit, as_json), as_json)


async def _alerts(limit: int, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        rows = await current.alerting.newest(limit)
    if as_json:
        output.show_json({"alerts": rows})
    elif rows:
        told = [
            [f"{row['at']:%Y-%m-%d %H:%M}", row["severity"], row["status"], row["text"]]
            for row in rows
        ]
        output.show_table(["at", "severity", "status", "what"], told)
    else:
        output.show("no alerts")
    return 0
