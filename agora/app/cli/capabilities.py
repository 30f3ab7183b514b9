"""agora capabilities: what is on beside the core, and how each is moved."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from agora.app.cli import output

app = typer.Typer(help="Show what is on beside the core; move it up through gates, or off.")
AsJson = Annotated[bool, typer.Option("--json", help="One object on the last line.")]
Name = Annotated[str, typer.Argument(help="As `agora capabilities list` shows it.")]


@app.callback(invoke_without_command=True)
def capabilities(context: typer.Context, as_json: AsJson = False) -> None:
    """Show every capability: its phase, whether it acts, and why not."""
    if context.invoked_subcommand is None:
        output.run(_list(as_json), as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show every capability: its phase, whether it acts, and why not."""
    output.run(_list(as_json), as_json)


@app.command()
def check(name: Name, as_json: AsJson = False) -> None:
    """Measure the gates before a capability's next phase, and move nothing."""
    output.run(_check(name, as_json), as_json)


@app.command()
def activate(name: Name, as_json: AsJson = False) -> None:
    """Move a capability up by one phase, if every gate is open: takes minutes."""

    async def work(team: Any, tell: Any) -> output.Json:
        from agora.app import activation

        return await activation.activate(team, name, tell)

    output.run(_moved(work, f"measuring {name}", as_json), as_json)


@app.command()
def deactivate(
    name: Name,
    reason: Annotated[str, typer.Option("--reason", help="For the record.")] = "",
    as_json: AsJson = False,
) -> None:
    """Move a capability back to dormant; nothing else is touched."""

    async def work(team: Any, _: Any) -> output.Json:
        phase = await team.capabilities.deactivate(name, reason or "asked", "operator")
        return {"name": name, "phase": phase}

    output.run(_moved(work, "", as_json), as_json)


@app.command()
def pause(
    name: Name,
    reason: Annotated[str, typer.Option("--reason", help="For the record.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let a capability rest in its phase until `resume`."""

    async def work(team: Any, _: Any) -> output.Json:
        await team.capabilities.read()
        await team.capabilities.pause(name, reason or "by a person")
        return {"name": name, "paused": team.capabilities.paused(name)}

    output.run(_moved(work, "", as_json), as_json)


@app.command()
def resume(name: Name, as_json: AsJson = False) -> None:
    """End the rest of a capability."""

    async def work(team: Any, _: Any) -> output.Json:
        await team.capabilities.read()
        has_ended = await team.capabilities.resume(name)
        return {"name": name, "resumed": has_ended}

    output.run(_moved(work, "", as_json), as_json)


async def _list(as_json: bool) -> int:
    from agora import team
    from agora.app import activation

    async with team.opened() as current:
        told = await current.capabilities.listed()
        for one in told:
            one["benefit"] = await activation.benefit(current, one["name"])
    if as_json:
        output.show_json({"capabilities": told})
        return 0
    rows = [
        [
            one["name"],
            one["phase"],
            "on" if one["is_on"] else "off",
            one["why_not"] or one["benefit"] or one["about"],
        ]
        for one in told
    ]
    output.show_table(["capability", "phase", "", ""], rows)
    return 0


async def _check(name: str, as_json: bool) -> int:
    from agora import team
    from agora.app import activation
    from agora.domain import phases

    async with team.opened() as current:
        with output.progress(f"measuring {name}") as tell:
            found = await activation.gates(current, name, tell)
        phase = await current.capabilities.next_phase(name)
    shut = phases.shut(found, phase)
    if as_json:
        gates = [one.as_json() for one in found]
        output.show_json({"name": name, "next": phase, "gates": gates, "is_open": not shut})
        return 4 if shut else 0
    for one in found:
        mark = "open" if one.is_open else "SHUT" if one in shut else "not needed yet"
        output.show(f"{one.name:<10}{mark:<16}{one.said}")
    return 4 if shut else 0


async def _moved(
    work: Callable[[Any, Any], Awaitable[output.Json]], doing: str, as_json: bool
) -> int:
    from agora import team

    async with team.opened() as current:
        with output.progress(doing) as tell:
            told = await work(current, tell)
    if as_json:
        output.show_json(told)
        return 0
    gates = told.pop("gates", [])
    output.show(", ".join(f"{key}: {value}" for key, value in told.items()))
    for one in gates:
        output.show(f"  {one['gate']:<10}{one['said']}")
    return 0
