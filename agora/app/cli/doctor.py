"""agora doctor: what is configured, reachable, missing; one line each, with the remedy."""

from typing import Annotated

import typer

from agora.app.cli import output

MARKS = {"ok": "ok     ", "missing": "missing", "wrong": "WRONG  "}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Say what works here, and for everything missing the one command that adds it."""
    output.run(_doctor(as_json), as_json)


async def _doctor(as_json: bool) -> int:
    from agora.app import checks

    with output.progress("looking"):
        found = await checks.all_checks()
    if as_json:
        output.show_json({"checks": found})
    for one in [] if as_json else found:
        output.show(f"{MARKS[one['status']]} {one['name']:<12} {one['said']}")
        if one["remedy"]:
            output.show(f"{'':<20} -> {one['remedy']}")
    return 2 if any(one["status"] == "wrong" for one in found) else 0
