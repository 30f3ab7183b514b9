"""agora ask: one task, answered."""

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from agora.app.cli import explain, output, permissions, rooms

_thread: list[str | None] = [None]


def ask(
    text: Annotated[str, typer.Argument(help="The question or task; - reads it from stdin.")],
    urgent: Annotated[bool, typer.Option("--urgent", help="Convene the war room.")] = False,
    budget: Annotated[float | None, typer.Option(min=0, help="At most so many USD.")] = None,
    tokens: Annotated[
        int | None, typer.Option("--budget-tokens", min=0, help="At most so many tokens.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="What matters: quality, cost, latency, compliance, …")
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose budget and memory.")] = "default",
    private: Annotated[bool, typer.Option("--private", help="No model in the cloud.")] = False,
    thread: Annotated[str | None, typer.Option(help="Go on with this conversation.")] = None,
    domain: Annotated[str | None, typer.Option(help="Instead of guessing it.")] = None,
    deadline: Annotated[float | None, typer.Option(help="Seconds an expert may take.")] = None,
    workspace: Annotated[
        Path | None, typer.Option(help="Git work tree to read; the current folder's by default.")
    ] = None,
    split: Annotated[
        bool | None, typer.Option("--split/--whole", help="Into subtasks, or not; else as it fits.")
    ] = None,
    verbose: Annotated[bool, typer.Option("-v", help="Show every bid, vote and subtask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Ask the team; the best bid answers."""
    fields: output.Json = {
        "text": sys.stdin.read() if text == "-" else text,
        "urgency": "urgent" if urgent else "normal",
        "budget_usd": budget,
        "budget_tokens": tokens,
        "policy": policy,
        "tenant": tenant,
        "deadline_s": deadline,
        "split": split,
        "domain": domain,
        "labels": ["private"] if private else [],
        "workspace": str(workspace) if workspace else None,
    }
    output.run(_ask(fields, thread, verbose, as_json), as_json, lambda: _thread[-1])


async def _ask(fields: output.Json, thread: str | None, verbose: bool, as_json: bool) -> int:
    from agora.app import runs
    from agora.team.library import work_tree

    fields["workspace"] = work_tree(fields["workspace"])
    _check(fields)
    thread_id = thread or runs.fresh_thread("ask")
    given = {"task": fields | {"id": runs.fresh_thread("task")}}
    async with runs.opened() as running:
        _thread.append(thread_id)
        with ExitStack() as stack:
            tell = stack.enter_context(output.progress("asking"))
            hear = _Hearing(tell, stack.close, not as_json and sys.stdout.isatty())
            state = await running.start("task", given, thread_id, hear)
        if (await running.status(thread_id))["status"] == "waiting":
            return await _waiting(state["task"]["id"], thread_id, as_json)
        return _report(state, thread_id, verbose, as_json, hear.written)


async def _waiting(task_id: str, thread_id: str, as_json: bool) -> int:
    acts = [one for one in await permissions.waiting() if one["thread_id"] == thread_id]
    if as_json:
        told = {"status": "waiting", "task_id": task_id, "thread_id": thread_id}
        output.show_json(told | {"approval_ids": [one["id"] for one in acts]})
    elif acts:
        said = "\n".join(f"  agora approvals approve {one['id']}" for one in acts)
        output.note(f"agora: {acts[0]['title']} needs your yes\n{said}")
    else:
        hint = f"agora room {task_id} --rule ANSWER"
        output.note(f"agora: the war room leaves the ruling to you\n  {hint}")
    return 3


def _check(fields: output.Json) -> None:
    from agora.domain.contracts import AgentTask
    from agora.domain.errors import UsageError
    from agora.domain.routing import rules
    from agora.domain.settings import load

    if not fields["text"].strip():
        raise UsageError("the question is empty", 'agora ask "what does this project do?"')
    rules(AgentTask.read(fields), load(os.environ))


class _Hearing:
    """Shows who is at work, and where a person watches, the answer while it is written."""

    def __init__(self, tell: Callable[[str], None], hush: Callable[[], None], live: bool) -> None:
        self.tell, self.hush, self.live = tell, hush, live
        self.written = ""

    def __call__(self, piece: output.Json) -> None:
        """Take one piece of what a run tells."""
        if piece["kind"] == "token" and self.live:
            self.hush()  # a moving line below would run through the words
            output.show(piece["text"], end="")
            self.written += piece["text"]
        elif said := _said(piece):
            if self.written:
                output.show("")
                self.written = ""
            self.tell(said)


def _said(piece: output.Json) -> str:
    match piece["kind"]:
        case "award":
            return f"{piece['expert']} is answering"
        case "vote":
            return f"war room: {piece['expert']} is voting"
        case "voted":
            said = piece["error"] or f"{piece['tokens']} tokens, {piece['cost_usd']:.4f} USD"
            return f"war room: {piece['expert']} has voted ({said})"
        case "evidence":
            return f"war room: {piece['members']} members see each other's arguments"
        case "judge":
            return f"war room: {piece['expert']} is judging"
        case "subtask":
            return f"subtask {piece['id'].partition('.')[2]}: {piece['text'][:60]}"
        case "tool":
            return f"{piece['expert']} calls {piece['name']}"
    return ""


def _report(state: output.Json, thread_id: str, verbose: bool, as_json: bool, written: str) -> int:
    outcome = state["outcome"]
    bids = state.get("bids") or []
    if as_json:
        output.show_json(_plain(state, outcome, bids, thread_id))
    else:
        _print(outcome, thread_id, written)
        if verbose and bids:
            _print_bids(bids)
        if verbose and state.get("ruling"):
            rooms.show_votes(state["ruling"])
        if verbose and state.get("parts"):
            explain.show_parts(state)
    return {"answered": 0, "refused": 4}.get(outcome["status"], 1)


def _plain(
    state: output.Json, outcome: output.Json, bids: list[output.Json], thread_id: str
) -> output.Json:
    names = ("status", "answer", "expert", "model", "cost_usd", "tokens", "latency_s")
    told = {name: outcome[name] for name in names}
    told |= {"sources": outcome["evidence"], "bids": bids, "thread_id": thread_id}
    told |= {"task_id": state["task"]["id"], "cached": outcome["cached"]}
    told |= {"cost_is_estimate": outcome["is_estimate"], "tried": state.get("tried") or []}
    told |= {"confidence": outcome["confidence"], "ruling": state.get("ruling")}
    told |= {"plan": state.get("plan") or None, "parts": state.get("parts") or None}
    if outcome["status"] != "answered":
        error = {"code": outcome["status"], "message": outcome["error"] or outcome["answer"]}
        told |= {"error": error | {"hint": outcome["hint"]}}
    return told


def _print(outcome: output.Json, thread_id: str, written: str) -> None:
    if outcome["answer"]:
        is_written = written.strip() == outcome["answer"]
        output.show("" if is_written else outcome["answer"])
    if outcome["error"]:
        hint = f"\n  {outcome['hint']}" if outcome["hint"] else ""
        output.note(f"agora: {outcome['error']}{hint}")
    if outcome["status"] != "answered":
        return
    by = f"{outcome['expert']}" + (f" on {outcome['model']}" if outcome["model"] else "")
    about = "about " if outcome["is_estimate"] else ""
    cost = "from memory" if outcome["cached"] else f"{about}{outcome['cost_usd']:.4f} USD"
    seconds = f"{outcome['latency_s']:.1f} s, " if outcome["latency_s"] else ""
    sure = f"confidence {outcome['confidence']:.2f}"
    output.note(f"— {by}, {sure}, {cost}, {seconds}thread {thread_id}")


def _print_bids(bids: list[output.Json]) -> None:
    rows = [
        [
            f"{bid['expert']}@{bid['model']}" if bid["model"] else bid["expert"],
            "" if bid["score"] is None else f"{1000 * bid['score']:.2f}",
            f"{bid['p_success']:.2f}",
            f"{bid['q']:.2f} of {bid['n']:.0f}",
            f"{1000 * bid['cost_usd']:.3f}",
            f"{bid['tokens']:.0f}",
            f"{bid['queue_s']:.1f} + {bid['wait_s'] - bid['queue_s']:.1f}",
            str(bid["load"]),
            f"{bid['overlap']:.2f}",
            f"{bid['health']:.2f}",
            "; ".join(bid["reasons"]),
        ]
        for bid in bids
    ]
    columns = ["bid", "score m$", "p", "mean", "cost m$", "tokens", "queue + work s", "load"]
    output.show_table([*columns, "overlap", "health", "why not"], rows)
    value_musd, second_musd = 1000 * bids[0]["value_usd"], 1000 * bids[0]["second_usd"]
    output.note(
        f"score = {value_musd:g} m$ × health × p − cost − {second_musd:g} m$ × (2 × queue + work)"
    )
