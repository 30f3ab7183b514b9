"""agora rollback: takes a deployed change back."""

from typing import Annotated

import typer

from agora.app.cli import output


def rollback(
    change_id: Annotated[str, typer.Argument(help="As the commit's Agora-Change trailer says it.")],
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Commit the reverse of a change on top of what is there now."""
    output.run(_rollback(change_id, as_json), as_json)


async def _rollback(change_id: str, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        at = current.clock().isoformat(timespec="seconds")
        commit = await current.changing.roll_back(change_id, at)
        await current.registering.refresh(change_id)
    if as_json:
        output.show_json({"change_id": change_id, "status": "reverted", "commit": commit})
    else:
        output.show(f"change {change_id} was taken back by {commit[:12]}")
    return 0
