"""agora demo: the main job, live, on a workspace made for it."""

from typing import Annotated

import typer

from agora.app.cli import output


def demo(
    yes: Annotated[bool, typer.Option("--yes", help="Approve without being asked.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Watch a tool fail, repair it, approve the patch, and see a bad one rolled back."""
    output.run(_demo(yes, as_json), as_json)


async def _demo(yes: bool, as_json: bool) -> int:
    from agora.app.demo import play

    return await play(yes, as_json)
