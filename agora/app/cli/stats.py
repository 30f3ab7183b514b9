"""agora stats: the product's own figures."""

from typing import Annotated

import typer

from agora.app.cli import output


def stats(
    formulas: Annotated[bool, typer.Option("--formulas", help="Say how each is counted.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Show what was done, what it cost, and what waits; each figure from records."""
    output.run(_stats(formulas, as_json), as_json)


async def _stats(formulas: bool, as_json: bool) -> int:
    from agora import team
    from agora.app import reports
    from agora.domain.figures import FORMULAS

    async with team.opened() as current:
        told = await reports.figures(current)
    if as_json:
        output.show_json(told | ({"formulas": FORMULAS} if formulas else {}))
        return 0
    parts = {name: told.pop(name) for name in ("by_domain", "by_tool")}
    output.show_figures(told)
    for name, rows in parts.items():
        show_parts(name.removeprefix("by_"), rows)
    for name, formula in FORMULAS.items() if formulas else ():
        output.show(f"{name.replace('_', ' ')} = {formula}")
    return 0


def show_parts(kind: str, rows: output.Json) -> None:
    """Print the same figures for each domain, or each tool."""
    if not rows:
        return
    names = list(next(iter(rows.values())))
    cells = [[key, *(output.spoken(row[name]) for name in names)] for key, row in rows.items()]
    output.show_table([kind, *(name.replace("_", " ") for name in names)], cells)
