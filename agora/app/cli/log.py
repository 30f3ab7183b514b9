"""agora log: the signed log of decisions, and the keys that sign it."""

from typing import Annotated

import typer

from agora.app.cli import output

app = typer.Typer(help="The signed log of decisions: show, verify, export, keys, rotate, accept.")
AsJson = Annotated[bool, typer.Option("--json", help="One object on the last line.")]


@app.command()
def show(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the newest.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the newest decisions."""
    output.run(_show(limit, as_json), as_json)


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Look at every entry: chained to the last one, and signed by us?"""
    output.run(_verify(as_json), as_json)


@app.command()
def export() -> None:
    """Print every entry as one JSON object a line: seq, body, hash, signature."""
    output.run(_export(), False)


@app.command()
def keys(as_json: AsJson = False) -> None:
    """Show the public keys that count as ours, the one in force last, and the newest entry."""
    output.run(_keys(as_json), as_json)


@app.command()
def rotate(
    reason: Annotated[str, typer.Option(help="Why; it stands in the log.")] = "",
    as_json: AsJson = False,
) -> None:
    """Sign with a new key from the next entry on; the old one vouches for it, and then no more."""
    output.run(_rotate(reason, as_json), as_json)


@app.command()
def accept(
    key: Annotated[str, typer.Argument(help="As `agora log verify` names it.")],
    reason: Annotated[str, typer.Option(help="Whose it is; it stands in the log.")] = "",
    as_json: AsJson = False,
) -> None:
    """Count a public key as ours: of another machine, or one whose folder was lost."""
    output.run(_accept(key, reason, as_json), as_json)


async def _keys(as_json: bool) -> int:
    from agora import team
    from memory import decisions

    async with team.opened() as current:
        async with current.database.transaction() as connection:
            head = await decisions.newest(connection, 1)
        signer = current.acting.decisions.signer
        public = signer.public
        known = [key for key in signer.known() if key != public]
    last = {"seq": head[0]["seq"], "hash": head[0]["hash"]} if head else None
    if as_json:
        output.show_json({"keys": [*known, public], "head": last})
        return 0
    for key in known:
        output.show(f"{key}  known")
    output.show(f"{public}  in force")
    output.show(f"newest entry: {last['seq']} {last['hash']}" if last else "the log is empty")
    return 0


async def _rotate(reason: str, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        row = await current.acting.rotate_key(output.person(), reason)
        public = current.acting.decisions.signer.public
    _tell({"key": public, "seq": row["seq"]}, f"{public} signs from now on", as_json)
    return 0


async def _accept(key: str, reason: str, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        row = await current.acting.accept_key(key, output.person(), reason)
    _tell({"key": key, "seq": row["seq"]}, f"{key} counts as ours", as_json)
    return 0


def _tell(told: output.Json, said: str, as_json: bool) -> None:
    if as_json:
        output.show_json(told)
    else:
        output.show(said)


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
