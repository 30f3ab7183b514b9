"""agora scout: read the news, and answer ahead what the team may be asked of it."""

from typing import Annotated

import typer

from agora.app.cli import output


def scout(
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Read the feeds that are due, and answer ahead what they let expect."""
    output.run(_scout(as_json), as_json)


async def _scout(as_json: bool) -> int:
    from agora import team
    from memory import news

    with output.progress("reading feeds"):
        async with team.opened() as current:
            told = await current.scouting.scout()
            async with current.database.autocommit() as connection:
                told["asked_later"] = await news.asked_later(connection)
    if as_json:
        output.show_json(told)
    else:
        _print(told)
    is_cut_off = told["feeds"] and len(told["faults"]) == told["feeds"]
    return 1 if is_cut_off else 0


def _print(told: output.Json) -> None:
    for name, fault in told["faults"].items():
        output.note(f"{name}: {fault}")
    for one in told["predicted"]:
        output.show(f"answered ahead: {one['question']} ({one['quotes']} quotations)")
    for one in told["asked_later"]:
        output.show(f"was asked: {one['question']} ({one['hits']} times)")
    read = told["feeds"] - len(told["faults"])
    output.show(f"{told['news']} news, {read} of {told['feeds']} feeds without a fault")
