"""agora db: the embedded PostgreSQL."""

from typing import Annotated

import typer

from agora.app.cli import output

app = typer.Typer(help="The embedded PostgreSQL: stop.")


@app.callback()
def db() -> None:
    """Stand beside other sub-commands."""


@app.command()
def stop(
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Stop the embedded server; the next command starts it again."""
    output.run(_stop(as_json), as_json)


async def _stop(as_json: bool) -> int:
    from agora import team

    is_stopped = await team.current().database.postgres.stop()
    if as_json:
        output.show_json({"stopped": is_stopped})
    else:
        output.show("stopped" if is_stopped else "there is no server of ours running")
    return 0
