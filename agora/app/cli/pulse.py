"""agora pulse: what the team does now, in few words."""

from typing import Annotated, Any

import typer

from agora.app.cli import output


def pulse(
    tenant: Annotated[str, typer.Option(help="Whose; nobody is told another one's.")] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Show the newest pulse, how old it is, and from what it was made."""
    output.run(_pulse(tenant, as_json), as_json)


async def _pulse(tenant: str, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        found = await current.pulsing.newest(tenant)
        age_s = (current.clock() - found.at).total_seconds() if found else 0.0
    if found is None:
        if as_json:
            output.show_json({"text": None})
        else:
            output.show("nothing has happened yet: agora ask TEXT")
        return 0
    if as_json:
        output.show_json(_told(found, age_s))
        return 0
    output.show(found.text)
    events, tasks = (len(found.sources[name]) for name in ("events", "tasks"))
    labels = f", {', '.join(found.labels)}" if found.labels else ""
    by = "the events themselves" if found.author == "events" else found.author
    output.show(f"\n{_spoken(age_s)} ago, by {by}, from {events} events of {tasks} cases{labels}")
    return 0


def _told(found: Any, age_s: float) -> output.Json:
    return {
        "text": found.text,
        "at": found.at.isoformat(),
        "age_s": round(age_s, 1),
        "author": found.author,
        "labels": list(found.labels),
        "sources": found.sources,
    }


def _spoken(seconds: float) -> str:
    for size, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds"
