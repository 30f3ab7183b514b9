"""agora health: how everything is that Agora rests on."""

from contextlib import suppress
from typing import Annotated

import typer

from agora.app.cli import output

MARKS = {"pass": "ok  ", "warn": "warn", "fail": "FAIL"}
CODES = {"pass": 0, "warn": 0, "fail": 1}


def health(
    hours: Annotated[
        float, typer.Option("--hours", min=0, help="Also show the extremes of these hours.")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Say how each part is, when it was last seen, and its last error; exit 1 when one that
    everything rests on has failed.
    """  # noqa: D205
    output.run(_health(hours, as_json), as_json)


async def _health(hours: float, as_json: bool) -> int:
    from agora import team
    from agora.app import probes
    from agora.domain.errors import AgoraError

    async with team.opened() as current:
        with output.progress("looking"):
            with suppress(AgoraError):  # a server of our own may have to be started
                await current.database.url()
            told = await probes.health(current)
            told["ready"] = await probes.is_ready(current)
            kept = await probes.extremes(current, hours) if hours else {}
    if as_json:
        output.show_json(told | ({"history": kept} if hours else {}))
        return CODES[told["status"]]
    for name, (check,) in sorted(told["checks"].items()):
        output.show(f"{MARKS[check['status']]} {name:<34}{_said(check)}")
    for name, (least, most) in sorted(kept.items()):
        output.show(f"     {name:<34}{least:g} to {most:g}")
    ready = "takes tasks" if told["ready"] else "takes no tasks"
    output.show(f"{told['status']}: {ready}" + (f"; {told['output']}" if told["output"] else ""))
    return CODES[told["status"]]


def _said(check: output.Json) -> str:
    value = check.get("observedValue")
    measured = "" if value is None else f"{value:g} {check['observedUnit']}"
    wrong = check.get("output") or (check["last_error"] and f"before: {check['last_error']}")
    age = f"({check['age_s']:.0f} s ago)" if check["age_s"] >= 1 else ""
    return " ".join(one for one in (measured, wrong, age) if one)
