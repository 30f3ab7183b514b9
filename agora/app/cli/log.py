"""agora log: the signed log of decisions."""

from typing import Annotated

import typer

from agora.app.cli import output

app = typer.Typer(help="The signed log of decisions: show, verify, export.")
AsJson = Annotated[bool, typer.Option("--json", help="One object on the last line.")]


@app.command()
def show(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the newest.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the newest decisions."""
    output.run(_show(limit, as_json), as_json, output.nothing_to_resume)


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Look at every entry: chained to the last one, and signed by us?"""
    output.run(_verify(as_json), as_json, output.nothing_to_resume)


@app.command()
def export() -> None:
    """Print every entry as one JSON object a line: seq, body, hash, signature."""
    output.run(_export(), False, output.nothing_to_resume)


async def _show(limit: int, as_json: bool) -> int:
    from agora import team
    from memory import decisions

    async with team.opened() as current:
        async with current.database.transaction() as connection:
            rows = await decisions.newest(connection, limit)
    if as_json:
        output.show_json({"decisions": rows})
        return 0
    columns = ["seq", "at", "actor", "action", "resource", "verdict"]
    output.show_table(columns, [[str(row.get(name, "")) for name in columns] for row in rows])
    return 0


async def _verify(as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        async with current.database.transaction() as connection:
            found = await current.acting.decisions.verify(connection)
    is_valid = found.first_bad is None
    if as_json:
        told = {"valid": is_valid, "entries": found.entries, "first_bad": found.first_bad}
        output.show_json(told | {"reason": found.reason})
    elif is_valid:
        output.show(f"valid: {found.entries} entries")
    else:
        output.show(f"not valid: entry {found.first_bad}: {found.reason}")
    return 0 if is_valid else 1


async def _export() -> int:
    from agora import team
    from memory import decisions

    async with team.opened() as current:
        async with current.database.transaction() as connection:
            async for row in decisions.export(connection):
                output.show_json(row)
    return 0
