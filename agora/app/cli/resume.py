"""agora resume: goes on with what was interrupted or abandoned."""

from typing import Annotated

import typer

from agora.app.cli import output


def resume(
    thread: Annotated[str | None, typer.Argument(help="Only this thread.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Go on with runs that were interrupted, have failed, or whose process has died."""
    output.run(_resume(thread, as_json), as_json, lambda: thread)


async def _resume(thread_id: str | None, as_json: bool) -> int:
    from agora.app import runs

    async with runs.opened() as running:
        with output.progress("going on"):
            threads = await running.go_on(thread_id)
    if as_json:
        output.show_json({"threads": threads})
    elif not threads:
        output.show("nothing to go on with")
    for one in [] if as_json else threads:
        output.show(f"{one['thread_id']}: {one['status']}{_said(one)}")
    return 1 if any(one["status"] == "failed" for one in threads) else 0


def _said(one: output.Json) -> str:
    if one["status"] == "waiting" and one.get("change_id"):
        return f"\nagora approvals show {one['change_id']}"
    outcome = one.get("outcome") or {}
    said = one.get("error") or outcome.get("answer") or outcome.get("error") or one.get("message")
    return f"\n{said}" if said else ""
