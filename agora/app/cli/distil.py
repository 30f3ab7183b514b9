"""agora distil: what went well becomes a training set for a model of your own."""

from pathlib import Path
from typing import Annotated, Any

import typer

from agora.app.cli import output

app = typer.Typer(help="Training sets from what went well: export, stats, check, join.")
AsJson = Annotated[bool, typer.Option("--json", help="One object on the last line.")]
Tenant = Annotated[str, typer.Option(help="Whose tasks.")]
Folder = Annotated[Path, typer.Argument(help="The folder of the training set.")]


def _run(work: Any, as_json: bool) -> None:
    output.run(work, as_json)


@app.command()
def export(
    folder: Folder,
    domain: Annotated[list[str] | None, typer.Option(help="Only this domain; repeatable.")] = None,
    tenant: Tenant = "default",
    as_json: AsJson = False,
) -> None:
    """Write train.jsonl, validation.jsonl and a data card."""
    _run(_export(folder, domain, tenant, as_json), as_json)


@app.command()
def stats(tenant: Tenant = "default", as_json: AsJson = False) -> None:
    """Count what has been done well, by domain and model."""
    _run(_stats(tenant, as_json), as_json)


@app.command()
def check(folder: Folder, tenant: Tenant = "default", as_json: AsJson = False) -> None:
    """Look whether a training set can be used; exit code 1 where it cannot."""
    _run(_check(folder, tenant, as_json), as_json)


@app.command()
def join(
    model: Annotated[str, typer.Argument(help="Your model, as `agora models` lists it.")],
    beside: Annotated[str, typer.Option(help="The model that it must be better than.")],
    as_json: AsJson = False,
) -> None:
    """Let a model of your own join the auction on trial: it bids once it has won."""
    _run(_join(model, beside, as_json), as_json)


async def _export(folder: Path, domain: list[str] | None, tenant: str, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        with output.progress("reading") as tell:
            told = await current.distilling.export(folder.absolute(), tenant, domain, tell)
    if as_json:
        output.show_json(told)
        return 0
    output.show(f"{told['train']} to train, {told['validation']} to validate: {told['folder']}")
    for why, count in told["left_out"].items():
        output.show(f"left out, {why}: {count}")
    return 0


async def _stats(tenant: str, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        found = await current.distilling.stats(tenant)
    if as_json:
        output.show_json({"tasks": found})
        return 0
    rows = [
        [one["domain"], one["model"], str(one["tasks"]), str(one["judged"]), str(one["traces"])]
        + ["yes" if one["may_teach"] else "no"]
        for one in found
    ]
    columns = ["domain", "model", "done well", "judged", "with reasoning", "may teach"]
    output.show_table(columns, rows)
    return 0


async def _check(folder: Path, tenant: str, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        told = await current.distilling.check(folder, tenant)
    if as_json:
        output.show_json(told)
    else:
        for fault in told["faults"]:
            output.show(fault)
        said = "sound" if told["is_sound"] else f"{told['fault_count']} faults"
        output.show(f"{told['train']} to train, {told['validation']} to validate: {said}")
    return 0 if told["is_sound"] else 1


async def _join(model: str, beside: str, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        told = await current.distilling.join(model, beside)
    if as_json:
        output.show_json(told)
    else:
        output.show(f"{model} is on trial: it does the tasks of {beside} after it, and is compared")
    return 0
