"""agora loop: workspaces that are looked after for ever."""

from pathlib import Path
from typing import Annotated, Any

import typer

from agora.app.cli import output

app = typer.Typer(help="The improvement loop: start, pause, resume, stop, cycle, maintain, stats.")
AsJson = Annotated[bool, typer.Option("--json", help="One object on the last line.")]
Where = Annotated[Path, typer.Argument(help="A git work tree.")]
Name = Annotated[str, typer.Option(help="Of several loops over one workspace.")]
Preset = Annotated[str, typer.Option(help="default, development, production or aggressive.")]
Test = Annotated[str, typer.Option(help="How its tests run.")]
Trust = Annotated[bool, typer.Option("--trust-workspace", help="Run its code without a sandbox.")]
TOOLS, DEFAULT, PYTEST = "tools", "default", "pytest -q"


@app.command()
def start(
    workspace: Where,
    preset: Preset = DEFAULT,
    test: Test = PYTEST,
    name: Name = TOOLS,
    here: Annotated[
        bool, typer.Option("--here", help="Run it in this terminal, until Ctrl-C.")
    ] = False,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Look after a workspace from now on: any worker does its cycles, or this terminal."""
    order = _order(workspace, test, trust)
    work = _here(order, preset, name) if here else _start(order, preset, name, as_json)
    output.run(work, as_json)


@app.command()
def pause(workspace: Where, name: Name = TOOLS, as_json: AsJson = False) -> None:
    """Let no cycle begin until it is resumed."""
    output.run(_move("pause", workspace, name, as_json), as_json)


@app.command()
def resume(workspace: Where, name: Name = TOOLS, as_json: AsJson = False) -> None:
    """Let a paused loop go on."""
    output.run(_move("resume", workspace, name, as_json), as_json)


@app.command()
def stop(workspace: Where, name: Name = TOOLS, as_json: AsJson = False) -> None:
    """End a loop; what waits for approval goes on waiting."""
    output.run(_move("stop", workspace, name, as_json), as_json)


@app.command()
def cycle(
    workspace: Where,
    preset: Annotated[str | None, typer.Option(help="Of a loop that is not known yet.")] = None,
    test: Annotated[str | None, typer.Option(help="How its tests run.")] = None,
    name: Name = TOOLS,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Do one cycle now, whether it is due or not."""
    work = _cycle(workspace, preset, test, name, trust, as_json)
    output.run(work, as_json)


@app.command()
def maintain(
    workspace: Where,
    name: Name = TOOLS,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Sync the registry, look for unused, doubled and crashing tools, archive what is gone."""
    work = _maintain(workspace, name, dry_run, trust, as_json)
    output.run(work, as_json)


@app.command()
def stats(workspace: Where, name: Name = TOOLS, as_json: AsJson = False) -> None:
    """Show what the loop has done so far."""
    output.run(_stats(workspace, name, as_json), as_json)


def _order(workspace: Path, test: str, trust: bool) -> output.Json:
    return {"workspace": _root(workspace), "test": test, "trust_workspace": trust}


def _root(workspace: Path) -> str:
    return str(workspace.expanduser().absolute())


async def _start(order: output.Json, preset: str, name: str, as_json: bool) -> int:
    from agora import team
    from agora.domain.contracts import Improvement

    wanted = Improvement.model_validate(order)
    async with team.opened() as current:
        await current.repairing.open(wanted)
        row = await current.looping.start(wanted, preset, name)
        workers = await current.looping.workers()
    told = {"workspace": row["workspace"], "status": row["status"], "preset": preset}
    if as_json:
        output.show_json(told | {"running": True, "workers": workers})
    else:
        output.show(f"{row['workspace']} is looked after, by the preset {preset}")
    if not workers:
        output.note("no worker is there to do it: agora worker, or agora loop start --here")
    return 0


async def _here(order: output.Json, preset: str, name: str) -> int:
    from agora.app.loops import start_loop

    output.note(f"looking after {order['workspace']}; Ctrl-C to stop")
    given = {key: value for key, value in order.items() if key not in ("workspace", "test")}
    await start_loop(order["workspace"], preset=preset, test=order["test"], name=name, **given)
    return 0


async def _move(what: str, workspace: Path, name: str, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        moving: Any = getattr(current.looping, what)
        status = await moving(_root(workspace), name)
    if as_json:
        output.show_json({"workspace": _root(workspace), "status": status})
    else:
        output.show(f"the loop of {_root(workspace)} is {status}")
    return 0


async def _cycle(
    workspace: Path, preset: str | None, test: str | None, name: str, trust: bool, as_json: bool
) -> int:
    from agora import team
    from agora.app import loops, runs
    from agora.domain.contracts import Improvement

    async with runs.opened() as running:
        looping = team.current().looping
        row = await looping.by_id(looping.id_of(_root(workspace), name))
        if row is None:
            order = Improvement.model_validate(_order(workspace, test or PYTEST, trust))
            await team.current().repairing.open(order)
            row = await looping.start(order, preset or DEFAULT, name, is_on=False)
        with output.progress("looking"):
            told = await loops.cycle(running, row["id"], asked=True) or {}
    if as_json:
        output.show_json(told)
    else:
        _show(told)
    return 1 if "trouble" in told else 0


def _show(told: output.Json) -> None:
    if "trouble" in told:
        output.note(f"agora: no repair: {told['trouble']}")
    for run in told["runs"]:
        about = (run["opportunity"] or {}).get("subject", "").rpartition(":")[2] or "the tests"
        output.show(f"{about}: {run['status'].replace('_', ' ')}: {run['message'] or ''}")
        if run["status"] == "waiting":
            output.show(f"  agora approvals show {run['change_id']}")
    output.show(f"{told['detected']} found, {len(told['runs'])} taken up, {told['reported']} told")


async def _maintain(workspace: Path, name: str, dry_run: bool, trust: bool, as_json: bool) -> int:
    from agora import team
    from agora.app import loops

    async with team.opened() as current:
        root, looping = _root(workspace), current.looping
        row = await looping.by_id(looping.id_of(root, name))
        with output.progress("looking at each tool"):
            if row and not dry_run and await looping.begin_maintenance(row, asked=True):
                told = await loops.maintain(row)
            else:
                told = await current.maintaining.maintain(
                    root, trust_workspace=trust, dry_run=dry_run
                )
    if as_json:
        output.show_json(told)
        return 1 if "trouble" in told else 0
    for what, found in told.items():
        if found and what not in ("same", "dry_run"):
            output.show(f"{what}: {', '.join(found) if isinstance(found, list) else found}")
    return 1 if "trouble" in told else 0


async def _stats(workspace: Path, name: str, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        told = await current.looping.stats(await current.looping.find(_root(workspace), name))
        habits = [
            *await current.solving.habits(_root(workspace)),
            *await current.registering.habits(_root(workspace)),
        ]
    if as_json:
        told |= {"instincts": [one.as_json() for one in habits]}
        output.show_json(told)
    else:
        output.show_table(["figure", "value"], [[key, output.spoken(told[key])] for key in told])
        for one in habits:
            output.show(one.told)
    return 0
