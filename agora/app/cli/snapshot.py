"""agora snapshot: the whole installation in one folder, and the way back to it."""

from typing import Annotated

import typer

from agora.app.cli import output

app = typer.Typer(no_args_is_help=True, help="Take a snapshot of everything, or go back to one.")
AsJson = Annotated[bool, typer.Option("--json", help="One object on the last line.")]


@app.command()
def create(
    note: Annotated[str, typer.Option("--note", help="What it is for.")] = "",
    as_json: AsJson = False,
) -> None:
    """Keep database, prompts, configuration, where workspaces stand, and baseline figures."""
    output.run(_create(note, as_json), as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show all snapshots, newest first."""
    output.run(_list(as_json), as_json)


@app.command()
def restore(
    snapshot_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    leave_workspaces: Annotated[
        bool, typer.Option("--leave-workspaces", help="Let their branches stand where they are.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Go back to a snapshot, verify it, and say what stands elsewhere. The last resort."""
    if not yes:
        typer.confirm(
            "All that has happened since goes (a snapshot of it is taken). Go on?", abort=True
        )
    output.run(_restore(snapshot_id, not leave_workspaces, as_json), as_json)


async def _create(note: str, as_json: bool) -> int:
    from agora import team
    from agora.app import snapshots

    async with team.opened() as current:
        with output.progress("taking a snapshot: half a minute"):
            told = await snapshots.create(current, note)
    if as_json:
        output.show_json(told)
        return 0
    rows = sum(told["rows"].values())
    output.show(f"{told['id']}: {rows} rows of {len(told['rows'])} tables")
    output.show(f"the core answers in {told['baseline']['p50_ms']:.0f} ms")
    return 0


async def _list(as_json: bool) -> int:
    from agora import team
    from agora.app import snapshots

    async with team.opened() as current:
        found = snapshots.rows_of(await snapshots.listed(current))
    if as_json:
        output.show_json({"snapshots": found})
        return 0
    rows = [[str(one[key] or "") for key in ("id", "rows", "p50_ms", "note")] for one in found]
    output.show_table(["snapshot", "rows", "core ms", "note"], rows)
    return 0


async def _restore(snapshot_id: str, with_workspaces: bool, as_json: bool) -> int:
    from agora import team
    from agora.app import snapshots

    async with team.opened() as current:
        with output.progress("going back"):
            told = await snapshots.restore(current, snapshot_id, with_workspaces=with_workspaces)
    code = 0 if told["is_verified"] else 1
    if as_json:
        output.show_json(told)
        return code
    verified = "verified" if told["is_verified"] else "NOT as it was"
    output.show(f"{told['id']}: {told['rows']} rows, {verified}; before it: {told['before']}")
    if told["files"]:
        output.show(f"{len(told['files'])} files put back; as they were: {told['replaced']}")
    for workspace, ref in told["workspaces"].items():
        output.show(f"{workspace} went back; what stood there: git log {ref}")
    for name in ("differences", "faults", "changed_files", "moved_workspaces"):
        for line in told[name]:
            output.show(f"  {name.replace('_', ' ')}: {line}")
    return code
