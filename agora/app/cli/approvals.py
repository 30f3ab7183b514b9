"""agora approvals: what waits for a person."""

from pathlib import Path
from typing import Annotated, Any

import typer

from agora.app.cli import output, permissions
from agora.app.cli.fix import show_change

app = typer.Typer(help="What waits for a person: list, show, approve, edit, reject.")
AsJson = Annotated[bool, typer.Option("--json", help="One object on the last line.")]
Id = Annotated[str, typer.Argument(help="As `agora approvals list` shows it.")]


@app.callback(invoke_without_command=True)
def approvals(context: typer.Context, as_json: AsJson = False) -> None:
    """List what waits, unless a sub-command says otherwise."""
    if context.invoked_subcommand is None:
        list_(as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the changes, acts and meetings that wait for an answer."""
    output.run(_list(as_json), as_json)


@app.command()
def show(change_id: Id, as_json: AsJson = False) -> None:
    """Show a change: its diff, report, tests and rivals."""
    output.run(_show(change_id, as_json), as_json)


@app.command()
def approve(change_id: Id, as_json: AsJson = False) -> None:
    """Say yes: exactly what was shown is committed."""
    output.run(_decide(change_id, {"type": "approve"}, as_json), as_json)


@app.command()
def edit(
    change_id: Id,
    file: Annotated[Path, typer.Option(help="The diff that you want instead.")],
    as_json: AsJson = False,
) -> None:
    """Propose your own diff instead; it is tested, and waits for your yes again."""
    try:
        diff = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} cannot be read as text: {error}") from None
    output.run(_decide(change_id, {"type": "edit", "diff": diff}, as_json), as_json)


@app.command()
def reject(
    change_id: Id,
    reason: Annotated[str, typer.Option(help="What is wrong with it.")],
    as_json: AsJson = False,
) -> None:
    """Say no."""
    output.run(_decide(change_id, {"type": "reject", "message": reason}, as_json), as_json)


async def _list(as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        waiting = [_plain(row) for row in await current.changing.waiting()]
        waiting += await permissions.waiting()
        waiting += [_meeting(row) for row in await current.meeting.appealing.waiting()]
    if as_json:
        output.show_json({"waiting": waiting})
    elif waiting:
        rows = [[row["id"], row["workspace"], row["title"]] for row in waiting]
        output.show_table(["id", "workspace", "what waits"], rows)
    else:
        output.show("nothing waits for approval")
    return 0


def _meeting(row: Any) -> output.Json:
    title = f"agora room {row['room_id']} --rule ANSWER: {row['task']['text'][:60]}"
    return {"id": row["room_id"], "kind": "meeting", "workspace": "", "title": title}


async def _show(change_id: str, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        act = await permissions.find(change_id)
        row = {} if act else await current.changing.find(change_id)
    if as_json:
        output.show_json(act or _plain(row))
        return 0
    if act:
        permissions.show(act)
        return 0
    if report := row["evidence"].get("report"):
        output.show(f"{report}\n")
    show_change(row)
    output.show(f"status: {row['status']}")
    return 0


def _plain(row: Any) -> output.Json:
    names = "id status title workspace subject base diff digest commit thread_id created_at".split()
    told = {name: row[name] for name in names}
    shown = "report tests verdict rivals by reasons trial migrations ruling".split()
    return told | {name: row["evidence"].get(name) for name in shown}


async def _decide(change_id: str, decision: output.Json, as_json: bool) -> int:
    from agora.app import deciding, runs

    if act := await permissions.find(change_id):
        return await permissions.decide(act, decision | {"by": output.person()}, as_json)
    async with runs.opened() as running:
        counted = await deciding.say(change_id, decision | {"by": output.person()})
        if counted != decision["type"]:
            output.note(f"agora: somebody else was quicker; their answer counts: {counted}")
        with output.progress("going on") as tell:
            state = await deciding.go_on(running, change_id, lambda piece: _tell(tell, piece))
        return await _report(state, counted, as_json)


def _tell(tell: Any, piece: output.Json) -> None:
    if piece["kind"] == "stage":
        tell(f"{piece['stage']} done")


async def _report(state: output.Json, counted: str, as_json: bool) -> int:
    status = state.get("status") or "waiting"
    code = {"fixed": 0, "rejected": 0, "waiting": 3, "refused": 4}.get(status, 1)
    told = {"decision": counted, "status": status, "change_id": state.get("change_id")}
    told |= {"commit": state.get("commit"), "message": state.get("message", "")}
    if as_json:
        output.show_json(told)
    elif status == "waiting":
        output.show(f"tested, and waits for approval: agora approvals show {state['change_id']}")
    else:
        output.show(f"{status}: {state.get('message', '')}")
    return code
