"""agora room: a war room's meeting, live or again, and what a person has to say about it."""

import asyncio
from contextlib import suppress
from typing import Annotated, Any

import typer

from agora.app.cli import output

SILENT_S = 600.0
"""After how long a silence a meeting is given up."""


def room(
    task: Annotated[str, typer.Argument(help="The id of the task that the meeting was about.")],
    rule: Annotated[
        str | None, typer.Option(help="Rule with this answer where the meeting waits for you.")
    ] = None,
    truth: Annotated[
        str | None, typer.Option(help="Tell what was right: reputations learn from it, once.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Follow a meeting until it has ruled, or replay it."""
    work = _rule(task, rule, as_json) if rule is not None else _room(task, truth, as_json)
    output.run(work, as_json)


async def _room(task_id: str, truth: str | None, as_json: bool) -> int:
    from agora import team
    from agora.domain.errors import UsageError

    async with team.opened() as current:
        meeting = current.meeting
        if truth is not None:
            return _learned(await meeting.learn(task_id, truth), as_json)
        if await meeting.said(task_id):
            await _follow(meeting, task_id, as_json)
        found = await meeting.minutes.find(task_id)
        if found is None:
            raise UsageError(f"there is no meeting of a task {task_id}", "agora ask --urgent TEXT")
    ruling = found["minutes"]["ruling"]
    if as_json:
        told = {"room": task_id, "ruling": ruling, "spent": found["minutes"]["spent"]}
        output.show_json(told | {"seats": found["minutes"]["seats"], "truth": found["truth"]})
        return 0
    show_votes(ruling)
    return 0


def _learned(is_news: bool, as_json: bool) -> int:
    if as_json:
        output.show_json({"counted": is_news})
    else:
        output.show("counted" if is_news else "that was counted before")
    return 0


async def _follow(meeting: Any, task_id: str, as_json: bool) -> None:
    """Print what the channel carries until the meeting has ruled, or nothing more comes."""
    channel = meeting.follow(task_id)
    with suppress(TimeoutError):
        while True:
            async with asyncio.timeout(SILENT_S):
                event = await anext(channel)
            if not as_json:
                output.note(_line(event.kind, event.body))
            if event.kind == "room.ruled":
                return


def _line(kind: str, body: output.Json) -> str:
    match kind:
        case "room.opened":
            return f"at the table: {', '.join(body['seats']) or 'nobody'}"
        case "room.voted" | "room.argued" | "room.judged":
            what = {
                "room.voted": "",
                "room.argued": " after the arguments",
                "room.judged": " judges",
            }
            said = body["error"] or f"{body['answer']} ({body['argument'] or 'no argument'})"
            return f"{body['expert']}{what[kind]}: {said}"
    return f"ruling: {body['answer'] or 'none'}; {body['reason']}"


async def _rule(task_id: str, answer: str, as_json: bool) -> int:
    from agora.app import deciding, runs

    async with runs.opened() as running:
        await deciding.rule(task_id, answer, output.person())
        state = await deciding.go_on_ruled(running, task_id)
    outcome = state["outcome"]
    if as_json:
        output.show_json({"status": outcome["status"], "answer": outcome["answer"]})
    else:
        output.show(outcome["answer"] or outcome["error"])
    return 0 if outcome["status"] == "answered" else 1


def show_votes(ruling: output.Json) -> None:
    """Print who said what, with what weight, at what cost."""
    rows = [
        [
            "@".join(filter(None, (vote["expert"], vote["model"]))),
            vote["department"],
            vote["answer"][:60],
            "" if vote["first"] in (None, vote["answer"]) else vote["first"][:40],
            f"{vote['weight']:.2f}",
            str(vote["tokens"]),
            f"{vote['cost_usd']:.4f}",
            f"{vote['latency_s']:.1f}",
            vote["error"] or "",
        ]
        for vote in ruling["votes"]
    ]
    columns = ["member", "of", "answer", "before", "weight", "tokens", "USD", "s", "why no vote"]
    output.show_table(columns, rows)
    decided = f"decided by {ruling['decided_by']}" if ruling["is_consensus"] else "no consensus"
    output.show(f"ruling: {ruling['answer'] or 'none'}\n{ruling['reason']}; {decided}")
