"""The team as an MCP server at /mcp: editors and other agents hand it tasks.

They may ask, and have a workspace repaired up to a change that waits; to approve it is a person's.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.fastmcp import Context, FastMCP
from mcp.server.transport_security import TransportSecuritySettings

from agora import team
from agora.app import runs
from agora.app.draining import counted
from agora.app.runs import Runs
from agora.domain.contracts import AgentTask, Improvement, Json
from agora.team.changing import report_of

INSTRUCTIONS = (
    "A team of experts that bids for each task. `ask` returns an answer, who gave it and what it "
    "cost; `fix` repairs a git workspace whose tests fail, up to a change that waits for a person."
)
Caller = Context[Any, Any, Any]
# Stateless: with several servers any of them may get the next request. Who may come in is told
# by web.access, for all routes.
server = FastMCP(
    "agora",
    INSTRUCTIONS,
    stateless_http=True,
    log_level="WARNING",
    transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
)
routes = server.streamable_http_app().routes
_running: list[Runs] = []


@asynccontextmanager
async def opened(running: Runs) -> AsyncIterator[None]:
    """Answer MCP requests for as long as the block lasts, by these runs."""
    _running[:] = [running]
    async with server.session_manager.run():
        yield


@server.tool()
async def ask(
    context: Caller,
    text: str,
    urgent: bool = False,
    private: bool = False,
    domain: str | None = None,
    budget_usd: float | None = None,
    deadline_s: float | None = None,
    workspace: str | None = None,
) -> Json:
    """Ask the team; the best bid answers, with sources and its price.

    `workspace` is a git work tree whose documents may be quoted; `private` keeps the task from
    models in the cloud; `urgent` convenes the war room.
    """
    task = AgentTask(
        id=runs.fresh_thread("task"),
        text=text,
        urgency="urgent" if urgent else "normal",
        labels=("private",) if private else (),
        domain=domain,
        budget_usd=budget_usd,
        deadline_s=deadline_s,
        workspace=workspace,
    )
    thread_id = runs.fresh_thread("mcp")
    state = await _run("task", {"task": task.as_json()}, thread_id, context)
    outcome = state.get("outcome") or {"status": "waiting"}
    shown = ("status", "answer", "evidence", "expert", "model", "cost_usd", "confidence", "error")
    told = {name: outcome[name] for name in shown if name in outcome}
    return told | {"thread_id": thread_id, "task_id": task.id}


@server.tool()
async def fix(context: Caller, workspace: str, test: str = "pytest -q") -> Json:
    """Repair a git workspace whose tests fail; nothing is committed before a person approves."""
    wanted = Improvement(id=runs.fresh_thread("repair"), workspace=workspace, test=test)
    await team.current().repairing.open(wanted)
    thread_id = runs.fresh_thread("mcp")
    state = await _run("improvement", {"task": wanted.as_json()}, thread_id, context)
    told: Json = {"status": state.get("status") or "waiting", "thread_id": thread_id}
    told |= {"message": state.get("message", ""), "change_id": state.get("change_id")}
    if told["change_id"]:
        row = await team.current().changing.find(told["change_id"])
        told |= {"diff": row["diff"], "report": report_of(row)}
    return told


@server.tool()
async def status(thread_id: str) -> Json:
    """Return what a thread has come to: done, waiting, failed or running, with its outcome."""
    return await _running[0].status(thread_id)


@server.tool()
async def approvals() -> list[Json]:
    """List the changes that wait for a person."""
    names = ("id", "title", "workspace", "subject", "diff", "thread_id")
    return [{name: row[name] for name in names} for row in await team.current().changing.waiting()]


async def _run(graph: str, given: Json, thread_id: str, context: Caller) -> Json:
    """Run a graph to its end or interrupt; whoever asked for progress is told of each stage."""
    steps: list[str] = []

    def hear(piece: Json) -> None:
        if piece["kind"] == "stage":
            steps.append(str(piece["stage"]))

    with counted():
        state = await _running[0].start(graph, given, thread_id, hear)
    await context.report_progress(len(steps), message=", ".join(steps))
    return state
