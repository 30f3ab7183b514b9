"""agora prompts: versions of experts' prompts, what is in production, and what challenges it."""

import getpass
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from agora.app.cli import output

app = typer.Typer(help="Versions of prompts: list, show, diff, history, trial, promote, rollback.")
AsJson = Annotated[bool, typer.Option("--json", help="One object on the last line.")]
Name = Annotated[str, typer.Argument(help="An expert, as `agora prompts list` shows it.")]
Version = Annotated[int | None, typer.Argument(help="A version; the one in production if none.")]


def _run(work: Any, as_json: bool) -> None:
    output.run(work, as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List every expert with the versions in production, on trial, and one step back."""
    _run(_list(as_json), as_json)


@app.command()
def show(expert: Name, version: Version = None, as_json: AsJson = False) -> None:
    """Show a version: its text, who wrote it, and why."""
    _run(_show(expert, version, as_json), as_json)


@app.command()
def diff(
    expert: Name,
    version: Annotated[int, typer.Argument(help="The version to compare with.")],
    other: Annotated[int | None, typer.Argument(help="Else the one in production.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what differs between two versions."""
    _run(_diff(expert, version, other, as_json), as_json)


@app.command()
def history(expert: Name, as_json: AsJson = False) -> None:
    """Show all versions, and how production was moved, with the figures of the trials."""
    _run(_history(expert, as_json), as_json)


@app.command()
def trial(
    expert: Name,
    version: Annotated[int | None, typer.Argument(help="The version to put on trial.")] = None,
    file: Annotated[Path | None, typer.Option(help="A new wording of your own to try.")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="End the trial that runs.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how the trial goes, or begin one: fresh tasks are done by both until one is better."""
    _run(_trial(expert, version, file, stop, as_json), as_json)


@app.command()
def promote(
    expert: Name,
    version: Annotated[int, typer.Argument(help="The version to bring into production.")],
    as_json: AsJson = False,
) -> None:
    """Bring a version into production without waiting for a trial."""
    _run(_promote(expert, version, as_json), as_json)


@app.command()
def rollback(expert: Name, as_json: AsJson = False) -> None:
    """Take the last promotion back."""
    _run(_rollback(expert, as_json), as_json)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where to write one file for each expert.")],
    as_json: AsJson = False,
) -> None:
    """Write what is in production as files, in the shape of prompts/experts."""
    _run(_export(folder, as_json), as_json)


async def _list(as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        channels = await current.prompting.channels()
        running = {row["subject"]: row for row in await _running(current)}
    told: list[output.Json] = [
        {"expert": name, **{one: of.get(one) for one in ("production", "staging", "previous")}}
        | {"trial": _figures(running[name]) if name in running else None}
        for name, of in sorted(channels.items())
    ]
    if as_json:
        output.show_json({"prompts": told})
        return 0
    rows = [
        [str(one[key] or "") for key in ("expert", "production", "staging", "previous")]
        + [_said(one["trial"])]
        for one in told
    ]
    output.show_table(["expert", "production", "staging", "previous", "trial"], rows)
    return 0


async def _running(current: Any) -> list[Any]:
    from agora.team.prompting import KIND

    return [row for row in await current.proving.listed(KIND) if row["status"] == "running"]


def _figures(row: Any) -> output.Json:
    from agora.team.promoting import figures_of

    told = {"id": row["id"], "status": row["status"], "version": row["candidate"]["version"]}
    return told | figures_of(row)


def _said(figures: output.Json | None) -> str:
    if figures is None:
        return ""
    won = f"{figures['wins']} won, {figures['losses']} lost of {figures['pairs']} pairs"
    return f"{figures['status']}: version {figures['version']}, {won}"


async def _show(expert: str, version: int | None, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        number = version or await current.prompting.production(expert)
        row = await current.prompting.version(expert, number)
    if as_json:
        output.show_json(row)
        return 0
    output.note(f"{expert}, version {number}, by {row['author']}: {row['reason']}")
    output.show(row["text"])
    return 0


async def _diff(expert: str, version: int, other: int | None, as_json: bool) -> int:
    from agora import team
    from agora.domain import prompt_diffs

    async with team.opened() as current:
        base = other or await current.prompting.production(expert)
        old, new = [await current.prompting.text(expert, one) for one in (base, version)]
    shown = prompt_diffs.diff(old, new, expert)
    if as_json:
        output.show_json({"expert": expert, "from": base, "to": version, "diff": shown})
    elif shown:
        output.show_diff(shown)
    else:
        output.show(f"versions {base} and {version} are the same")
    return 0


async def _history(expert: str, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        versions, moves = await current.prompting.history(expert)
    if as_json:
        output.show_json({"expert": expert, "versions": versions, "moves": moves})
        return 0
    rows = [
        [str(one["version"]), str(one["parent"] or ""), one["author"], one["reason"]]
        for one in versions
    ]
    output.show_table(["version", "parent", "author", "reason"], rows)
    rows = [
        [f"{one['at']:%Y-%m-%d %H:%M}", one["kind"], f"{one['before']} → {one['after']}"]
        + [one["reason"], " ".join(f"{key}={value}" for key, value in one["figures"].items())]
        for one in moves
    ]
    output.show("")
    output.show_table(["when", "what", "version", "why", "figures"], rows)
    return 0


async def _trial(
    expert: str, version: int | None, file: Path | None, stop: bool, as_json: bool
) -> int:
    from agora import team
    from agora.domain.errors import UsageError
    from agora.team.prompting import KIND

    async with team.opened() as current:
        if file is not None:
            version = await _proposed(current, expert, file)
        if version is not None:
            await current.promoting.open_trial(expert, version)
        await current.prompting.production(expert)
        row = await current.proving.newest(KIND, expert)
        if row is None:
            hint = f"agora prompts trial {expert} VERSION, or --file FILE"
            raise UsageError(f"{expert} has had no trial", hint)
        if stop:
            await current.proving.end(row["id"], "dropped")
            await current.promoting.conclude()
            row = await current.proving.find(row["id"])
    figures = _figures(row)
    if as_json:
        output.show_json({"expert": expert, "trial": figures})
    else:
        output.show(_said(figures))
    return 0


async def _proposed(current: Any, expert: str, file: Path) -> int:
    from agora.domain.errors import UsageError

    try:
        text = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read as text: {error}") from None
    parent = await current.prompting.production(expert)
    old = await current.prompting.text(expert, parent)
    if why := current.promoting.refused(expert, old, text, []):
        raise UsageError(f"{file}: the proposal {why}", f"agora prompts show {expert}")
    version: int = await current.prompting.propose(
        expert, text, parent, _me(), f"from {file.name}", {}
    )
    return version


async def _promote(expert: str, version: int, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        now = await current.prompting.production(expert)
        change_id = current.promoting.fresh_id()
        status = await current.promoting.promote(
            change_id, expert, version, "a person wants it", {}, by=_me()
        )
        after = await current.prompting.production(expert)
    told = {"expert": expert, "from": now, "to": after, "status": status, "change_id": change_id}
    if as_json:
        output.show_json(told)
    else:
        output.show(f"{expert}: version {after} is in production, {now} was")
    return 0


async def _rollback(expert: str, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        before, after = await current.promoting.rollback(expert, "a person wants it")
    if as_json:
        output.show_json({"expert": expert, "from": before, "to": after})
    else:
        output.show(f"{expert}: version {after} is in production again, {before} was taken back")
    return 0


async def _export(folder: Path, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        written = await current.prompting.export(folder)
    if as_json:
        output.show_json({"folder": str(folder), "files": written})
    else:
        output.show(f"written: {', '.join(written)}")
    return 0


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run us under a number that has no name
        return f"uid {os.getuid()}"
