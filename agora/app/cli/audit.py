"""agora audit: is everything as it was said to be, and what has changed?"""

from typing import Annotated

import typer

from agora.app.cli import output


def audit(
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Look at figures, policies, log and keys; say what has changed since the last audit."""
    output.run(_audit(as_json), as_json)


async def _audit(as_json: bool) -> int:
    from agora import team
    from agora.app import audits

    async with team.opened() as current:
        with output.progress("looking at every decision"):
            told = await audits.audit(current)
    code = 1 if told["report"]["log"]["first_bad"] is not None else 0
    if as_json:
        output.show_json(told)
        return code
    for finding in told["findings"]:
        output.show(finding)
    if told["since"] is None:
        output.show("the first audit: the next one says what has changed")
    elif not told["changes"]:
        output.show(f"nothing has changed since {told['since']}")
    for one in told["changes"]:
        before, after = output.spoken(one["before"]), output.spoken(one["after"])
        output.show(f"{one['what']}: {before} -> {after}")
    return code
