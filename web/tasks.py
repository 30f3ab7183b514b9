"""Tasks: what people have asked; and one of them with its bids, its path and what it cost."""

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from agora import team
from agora.app.runs import Runs
from agora.domain.contracts import AgentTask, Json
from agora.domain.errors import UsageError
from agora.team.telemetry import root_of
from memory import rooms, tasks, views
from memory.database import Row
from web import auctions, paths, prose
from web.entry import Admitted, Form, text_of

router = APIRouter(include_in_schema=False)
STATUSES = ("open", "answered", "declined", "failed", "refused")
PAGE = 50
MOST_STATES = 60


@router.get("/tasks")
async def listed(
    page: Admitted,
    status: str = "",
    text: Annotated[str, Query(max_length=200)] = "",
    before: str = "",
) -> Response:
    """Show the newest tasks, those of a status or with a text."""
    wanted = {"status": status if status in STATUSES else "", "text": text.strip()}
    async with page.database.autocommit() as connection:
        rows = await views.tasks(
            connection,
            status=wanted["status"] or None,
            text=wanted["text"] or None,
            before=_time(before),
            limit=PAGE + 1,
        )
        counts = await tasks.count(connection)
    older = ""
    if len(rows) > PAGE:
        last = rows[PAGE - 1]["created_at"].isoformat()
        older = "/tasks?" + urlencode({**wanted, "before": last})
    return await page.show(
        "tasks.html",
        here="/tasks",
        tasks=rows[:PAGE],
        counts={one: counts[one] for one in STATUSES if one in counts},
        wanted=wanted,
        statuses=STATUSES,
        older=older,
        is_first=not before,
    )


@router.get("/tasks/{task_id}")
async def one(request: Request, page: Admitted, task_id: str) -> Response:
    """Show a task: its answer, its path through the graph, all bids, what it cost."""
    states = await _states(request.app.state.runs, task_id)
    state = states[0] if states else {}
    parts = [str(part["id"]) for part in (state.get("parts") or {}).values() if part.get("id")]
    async with page.database.autocommit() as connection:
        row = await tasks.find(connection, task_id)
        if row is None:
            raise UsageError(f"there is no task {task_id}", "all tasks: the page Tasks")
        events = await views.steps(connection, task_id.partition(".")[0])
        acts = await views.acts(connection, [task_id, *parts])
        room = await rooms.find(connection, task_id)
    task, outcome = AgentTask.model_validate(row["body"]), row["outcome"]
    passed = paths.steps(events)
    return await page.show(
        "task.html",
        here="/tasks",
        row=row,
        task=task,
        outcome=outcome,
        answer=prose.blocks((outcome or {}).get("answer") or ""),
        plan=state.get("plan") or {},
        auctions=auctions.auctions(states),
        steps=passed,
        picture=paths.picture("task", passed, row["status"] != "open") if passed else None,
        acts=_grouped(acts),
        spent=_spent(acts),
        room=room,
        trace_url=_trace_url(task_id),
        said=request.query_params.get("said", ""),
    )


@router.post("/tasks/{task_id}/feedback")
async def feedback(page: Admitted, form: Form, task_id: str) -> Response:
    """Keep what a person says of an answer."""
    word: Literal["good", "bad"] = "good" if text_of(form, "feedback") == "good" else "bad"
    await team.current().remembering.hear(task_id, word, text_of(form, "comment")[:2000])
    return RedirectResponse(f"/tasks/{quote(task_id, safe='')}?said={word}#judge", 303)


async def _states(running: Runs, task_id: str) -> list[Json]:
    """Return the last state of a task; where somebody has failed, also those before it."""
    states: list[Json] = []
    async for state in running.task_states(task_id):
        states.append(state)
        if not states[0].get("tried") or len(states) == MOST_STATES:
            break
    return states


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None


def _grouped(acts: list[Row]) -> list[Json]:
    """Return the acts of a task by who did what to what, in order of the first."""
    found: dict[Any, Json] = {}
    for act in acts:
        key = act["kind"], act["actor"], act["subject"]
        told = found.setdefault(
            key, {**act, "times": 0, "failed": 0, "tokens": 0, "cost_usd": 0.0, "took_s": 0.0}
        )
        told["times"] += 1
        told["failed"] += act["status"] == "failed"
        told["tokens"] += act["tokens"]
        told["cost_usd"] += act["cost_usd"]
        if act["ended_at"]:
            told["took_s"] += (act["ended_at"] - act["began_at"]).total_seconds()
    return list(found.values())


def _spent(acts: list[Row]) -> Json:
    return {
        "cost_usd": sum(act["cost_usd"] for act in acts),
        "tokens": sum(act["tokens"] for act in acts),
        "is_estimate": any(act["is_estimate"] for act in acts),
    }


def _trace_url(task_id: str) -> str:
    """Return where the trace of a task is shown; "" where nobody has said."""
    given = team.current().settings.serve.trace_url or ""
    trace = f"{root_of(task_id.partition('.')[0])[0]:032x}"
    return given.replace("{id}", quote(task_id, safe="")).replace("{trace}", trace)
