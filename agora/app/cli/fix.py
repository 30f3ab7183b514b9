"""agora fix: one improvement cycle over a workspace."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from agora.app.cli import output

_thread: list[str | None] = [None]


def fix(
    workspace: Annotated[Path, typer.Argument(help="A git work tree without uncommitted changes.")],
    test: Annotated[str, typer.Option(help='How its tests run, such as "pytest -q".')],
    yes: Annotated[bool, typer.Option("--yes", help="Approve and commit what is found.")] = False,
    goal: Annotated[
        str | None, typer.Option(help="What to build instead; it needs a model.")
    ] = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="Share a function that three files repeat.")
    ] = False,
    faster: Annotated[
        bool, typer.Option("--faster", help="Speed up a tool whose calls were slow.")
    ] = False,
    private: Annotated[
        bool, typer.Option("--private", help="Show its sources to no model in a cloud.")
    ] = False,
    timeout: Annotated[float | None, typer.Option(help="Seconds for the search.")] = None,
    trust: Annotated[
        bool, typer.Option("--trust-workspace", help="Run its code without a sandbox.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Find out what fails, search for a patch, prove it, and ask for approval."""
    if sum((bool(goal), shared, faster)) > 1:
        raise typer.BadParameter("--goal, --shared and --faster are one cycle each: choose one")
    order: output.Json = {
        "workspace": str(workspace.absolute()),
        "test": test,
        "kinds": ["pattern" if shared else "slow_tool" if faster else "failing_tests"],
        "timeout_s": timeout,
        "trust_workspace": trust,
        "goal": goal,
        "private": private,
    }
    output.run(_fix(order, yes, as_json), as_json, lambda: _thread[-1])


async def _fix(order: output.Json, yes: bool, as_json: bool) -> int:
    from agora import team
    from agora.app import runs
    from agora.domain.contracts import Improvement

    began = time.monotonic()
    if order["trust_workspace"]:
        output.note("agora: the workspace is trusted: its code runs with limits, but unconfined")
    wanted = Improvement.model_validate(order)
    await team.current().repairing.open(wanted)
    async with runs.opened() as running:
        state = await _waiting(order) or await _cycle(running, order)
        if yes and state.get("status") == "waiting":
            with output.progress("committing") as tell:
                state |= await _approve(running, state, tell)
        return _report(state, time.monotonic() - began, as_json)


async def _waiting(order: output.Json) -> output.Json | None:
    """Return what waits for approval here already, on the commit that is there now."""
    from agora import team

    proof = {"failing_tests": "target", "slow_tool": "speed"}.get(order["kinds"][0])
    if order["goal"] or not proof:
        return None
    row = await team.current().repairing.waiting_at(str(order["workspace"]), proof)
    return {"status": "waiting", "row": row, "tried": 0} if row else None


async def _cycle(running: Any, order: output.Json) -> output.Json:
    from agora import team
    from agora.app import runs

    thread_id = runs.fresh_thread("fix")
    _thread.append(thread_id)
    with output.progress("running the tests") as tell:
        given = {"task": order | {"id": runs.fresh_thread("repair")}}
        state: output.Json = await running.start(
            "improvement", given, thread_id, lambda piece: _tell(tell, piece)
        )
    if state.get("status"):
        return state
    row = await team.current().changing.find(str(state["change_id"]))
    return state | {"status": "waiting", "row": row}


async def _approve(running: Any, state: output.Json, tell: Any) -> output.Json:
    from agora import team

    row = state["row"]
    decision = {"type": "approve", "by": "operator", "digest": row["digest"]}
    await team.current().changing.say(row["id"], decision)
    done: output.Json = await running.answer(
        "improvement", decision, row["thread_id"], lambda piece: _tell(tell, piece)
    )
    return done | {"tried": state["tried"]}


def _tell(tell: Any, piece: output.Json) -> None:
    if piece["kind"] == "search" and piece["tried"]:
        tell(f"searching: {piece['tried']} candidates, {piece['survivors']} pass all tests")
    elif piece["kind"] == "race" and piece["tried"]:
        tell(f"racing: {piece['faster']} of {piece['tried']} versions give the same, and sooner")
    elif piece["kind"] == "rival":
        tell(f"running the tests next to patch {piece['place']} of {piece['of']}")
    elif piece["kind"] == "report":
        output.note(piece["text"])
    elif piece["kind"] == "verdict" and piece["verdict"] != "accept":
        output.note(f"gate: {piece['verdict']}, {piece['rule']}: {piece['reason']}")
    elif piece["kind"] == "stage":
        tell(f"{piece['stage']} done")


def _report(state: output.Json, seconds: float, as_json: bool) -> int:
    status, row = state["status"], state.get("row")
    code = {"fixed": 0, "nothing_to_repair": 0, "waiting": 3, "refused": 4}.get(status, 1)
    if as_json:
        output.show_json(
            {
                "status": status,
                "commit": state.get("commit"),
                "approval_id": row["id"] if row else None,
                "candidates": state.get("tried", 0),
                "seconds": round(seconds, 2),
                "files": row["evidence"].get("files", [row["subject"]]) if row else [],
                "message": state.get("message", ""),
            }
        )
        return code
    if row:
        show_change(row)
    if status == "waiting":
        output.note(f"waits for approval: agora approvals approve {row['id'] if row else ''}")
    else:
        output.note(f"{status.replace('_', ' ')}: {state.get('message', '')}")
    return code


def show_change(row: Any) -> None:
    """Print a change with what speaks for and against it."""
    evidence = row["evidence"]
    output.show(f"{row['title']}\n")
    output.show_diff(row["diff"])
    if (tests := evidence.get("tests")) and not tests["failing_before"]:
        output.show(f"\nTests that pass as before: {len(tests['passing_after'])}.")
    elif tests:
        output.show(
            f"\nTests that fail without it: {len(tests['failing_before'])}; "
            f"that pass with it: {len(tests['passing_after'])}."
        )
    if near := evidence.get("tests_near"):
        files = [*dict.fromkeys(name.partition("::")[0] for name in near["files"])]
        output.show(
            f"Tests were run in {len(files)} of {near['of']} files, those next to it by "
            f"imports: {', '.join(files[:3])}" + ("…" if files[3:] else "")
        )
    verdict = evidence.get("verdict") or {}
    if verdict.get("verdict") == "flag":
        output.show(f"The gate wants you to look: {verdict['rule']}: {verdict['reason']}")
    for rival in evidence.get("rivals", [])[:3]:
        output.show(f"Another patch would pass too: {rival['description']}")
        if apart := rival.get("apart"):
            output.show(
                f"  On {apart['call']} it answers {apart['this']}; the one above answers "
                f"{apart['first']}; before, it was {apart['before'] or 'not seen'}."
            )
    for told in evidence.get("trial", {}).get("told", ()):
        output.show(told)
