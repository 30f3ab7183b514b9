"""agora upkeep: lets go what is over, and says what that was."""

from typing import Annotated

import typer

from agora.app.cli import output


def upkeep(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Remove expired answers, old events, history of checkpoints; what is needed stays."""
    output.run(_upkeep(dry_run, as_json), as_json)


async def _upkeep(dry_run: bool, as_json: bool) -> int:
    from agora.app import runs, upkeep

    async with runs.opened() as running:
        with output.progress("tidying up") as tell:
            told = await (upkeep.plan if dry_run else upkeep.tidy)(running, tell)
    if as_json:
        output.show_json({"dry_run": dry_run} | told)
        return 0
    for name, freed in told["steps"].items():
        output.show(f"{name:<22}{freed['rows']:>9} rows {_spoken(freed['bytes']):>12}")
    would = "would go" if dry_run else "have gone"
    output.show(f"{told['rows']} rows with {_spoken(told['bytes'])} {would}")
    if told["vacuumed"]:
        output.show(f"room was made in {', '.join(told['vacuumed'])}")
    return 0


def _spoken(size: int) -> str:
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"
