"""How quickly pages are made, and how long they are, when much is stored.

`python benchmarks/pages.py [--json] [--seed N] [--tasks N] [--rounds N]`: so many tasks with their
stages, acts and signed decisions over 14 days, 20 tools, 60 changes, 60 meetings and 3 trials are
stored; a few tasks are really run. Then every page is asked for again and again, and its time is
what the server itself says of it (Server-Timing). Milliseconds and bytes. It takes a minute.
"""

import argparse
import asyncio
import json
import random
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from psycopg.types.json import Jsonb  # noqa: E402

from agora import team as teams  # noqa: E402
from agora.app.runs import fresh_thread  # noqa: E402
from agora.domain.contracts import AgentOutcome, AgentTask, Change, Json, Ruling, Vote  # noqa: E402
from agora.domain.signing import canonical, link  # noqa: E402
from agora.team import Team  # noqa: E402
from agora.team.acting import standing_alone  # noqa: E402
from benchmarks.cache import installed  # noqa: E402
from memory import changes, rooms  # noqa: E402
from web.app import app  # noqa: E402

DAYS, REAL, TOOLS, CHANGES, ROOMS, PAIRS = 14, 10, 20, 60, 60, 120
STAGES = "intake pulse recall planning bidding execution reflection".split()
EXPERTS = "generalist@qwen3:8b engineer@qwen3:8b researcher@gpt-4o-mini risk@gpt-4o-mini".split()
DOMAINS = "general code documents risk".split()
BATCH = 500
ACT = """
INSERT INTO acts (key, case_id, kind, subject, actor, budgets, status, reserved_usd, cost_usd,
                  tokens, result, began_at, ended_at)
VALUES (%s, %s, 'ask_model', %s, %s, '{}', 'done', 0, %s, %s, %s, %s, %s)
"""
TASK = """
INSERT INTO tasks (id, thread_id, tenant, body, status, outcome, created_at, ended_at)
VALUES (%s, %s, 'default', %s, %s, %s, %s, %s)
"""
EVENT = "INSERT INTO events (correlation_id, kind, body, at) VALUES (%s, %s, %s, %s)"
DECISION = "INSERT INTO decisions (seq, body, hash, signature) VALUES (%s, %s, %s, %s)"
DIFF = """--- a/tool.py
+++ b/tool.py
@@ -1,3 +1,3 @@
 def double(number: int) -> int:
     \"\"\"Return twice the number.\"\"\"
-    return number + 2
+    return number * 2
"""


async def measure(tasks: int, rounds: int, seed: int) -> dict[str, Any]:
    """Return for each page how long it took and how many bytes it has, and the worst of them."""
    async with installed() as team:
        teams._teams[asyncio.get_running_loop()] = team  # whoever asks for one gets this
        await fill(team, tasks, random.Random(seed))
        async with visiting() as client:
            real = await ask_some(team)
            pages = {path: await look(client, path, rounds) for path in paths(tasks, real)}
    worst = max(pages, key=lambda path: pages[path]["p95_ms"])
    return {
        "tasks": tasks,
        "rounds": rounds,
        "p95_ms": pages[worst]["p95_ms"],
        "slowest": worst,
        "bytes": max(page["bytes"] for page in pages.values()),
        "pages": pages,
    }


def paths(tasks: int, real: str) -> list[str]:
    """Return the address of every page, and of the searches that read most."""
    return [
        *"/ /tasks /approvals /experts /tools /rooms /decisions /incidents /capabilities".split(),
        f"/tasks/{real}",
        f"/tasks/task-{tasks // 2}",
        "/tasks?text=number+7&status=answered",
        "/tasks?text=nobody+has+asked+this",
        "/decisions?actor=risk%40gpt-4o-mini&verdict=allow",
        "/decisions?case=task-1",
        "/decisions/7",
        "/approvals/change-0",
        "/rooms/room-0",
    ]


@asynccontextmanager
async def visiting() -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the pages, without a network between."""
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app):
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield client


async def look(client: httpx.AsyncClient, path: str, rounds: int) -> dict[str, Any]:
    """Return how long a page takes by the server's own account, after a first look."""
    took, size = [], 0
    for _ in range(rounds + 1):
        answer = await client.get(path)
        assert answer.status_code == 200, (path, answer.text[:1000])
        took.append(float(answer.headers["server-timing"].partition("dur=")[2]))
        size = max(size, len(answer.content))
    p95 = quantiles(took[1:], n=20)[-1]
    return {"p50_ms": round(median(took[1:]), 1), "p95_ms": round(p95, 1), "bytes": size}


async def ask_some(team: Team) -> str:
    """Run a few tasks through the whole graph, and return the last one's id."""
    running = app.state.runs
    for number in range(REAL):
        given = {"task": {"text": f"What is kept under number {number}?", "id": f"real-{number}"}}
        await running.start("task", given, fresh_thread("task"), lambda piece: None)
    return f"real-{REAL - 1}"


async def fill(team: Team, count: int, chance: random.Random) -> None:
    """Store what a team leaves in two weeks."""
    now = datetime.now(UTC)
    times = sorted(now - timedelta(seconds=chance.uniform(60, DAYS * 86_000)) for _ in range(count))
    seq, previous = 0, ""
    signer = team.acting.decisions.signer
    for start in range(0, count, BATCH):
        rows: dict[str, list[Any]] = {TASK: [], ACT: [], EVENT: [], DECISION: []}
        for number in range(start, min(start + BATCH, count)):
            seq, previous = add(rows, number, times[number], chance, seq, previous, signer)
        async with team.database.transaction() as connection, connection.cursor() as cursor:
            for query, many in rows.items():
                await cursor.executemany(query, many)
    await fill_tools(team, count, chance, now)
    await fill_rest(team)
    async with team.database.autocommit() as connection:
        await connection.execute("VACUUM ANALYZE")  # as PostgreSQL does by itself, later


def add(
    rows: dict[str, list[Any]],
    number: int,
    at: datetime,
    chance: random.Random,
    seq: int,
    previous: str,
    signer: Any,
) -> tuple[int, str]:
    """Add one task with all that it leaves; return the new head of the decision log."""
    task_id, actor = f"task-{number}", chance.choice(EXPERTS)
    expert, _, model = actor.partition("@")
    task = AgentTask(id=task_id, text=f"What is to be done about number {number}, and by whom?")
    is_right = chance.random() < 0.9
    outcome = AgentOutcome(
        status="answered" if is_right else "failed",
        answer="It is to be done by the one who began it. " * 12,
        expert=expert,
        model=model,
        cost_usd=chance.uniform(0, 0.01),
        tokens=900,
        latency_s=2.0,
    )
    ended = at + timedelta(seconds=3)
    body, told = Jsonb(task.as_json()), Jsonb(outcome.as_json())
    rows[TASK].append([task_id, f"thread-{number}", body, outcome.status, told, at, ended])
    for ordinal in range(2):
        key = f"{task_id}/execution/{ordinal}/ask_model/0"
        cost, result = round(outcome.cost_usd / 2, 6), Jsonb({"text": outcome.answer})
        rows[ACT].append([key, task_id, model, actor, cost, 450, result, at, ended])
        seq += 1
        said: Json = {"actor": actor, "action": "ask_model", "resource": model, "verdict": "allow"}
        said |= {"reasons": [], "policy": "5" * 64, "correlation_id": task_id, "act": key}
        entry = canonical(said | {"seq": seq, "at": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")})
        previous = link(previous, entry)
        rows[DECISION].append([seq, entry, previous, signer.sign(previous)])
    for stage in STAGES:
        for kind in ("stage.entered", "stage.left"):
            here = {"stage": stage, "case": task_id, "thread": f"thread-{number}", "round": 0}
            rows[EVENT].append([task_id, kind, Jsonb(here), at])
    judged = {"bidder": actor, "domain": chance.choice(DOMAINS), "right": is_right}
    judged |= {"tokens_out": 120, "latency_s": 2.0, "cost_usd": 0.001, "at_s": at.timestamp()}
    rows[EVENT].append([task_id, "outcome.judged", Jsonb(judged | {"tenant": "default"}), ended])
    return seq, previous


async def fill_tools(team: Team, count: int, chance: random.Random, now: datetime) -> None:
    """Store as many judged calls as tasks."""
    rows = []
    for number in range(count):
        told: Json = {
            "workspace": "/srv/tools",
            "path": "tool.py",
            "tool": f"tool_{number % TOOLS}",
        }
        told |= {"is_right": chance.random() < 0.93, "arguments": {"number": number}, "error": None}
        rows.append(["use", "tool.judged", Jsonb(told), now - timedelta(days=number % DAYS)])
    async with team.database.transaction() as connection, connection.cursor() as cursor:
        await cursor.executemany(EVENT, rows)


async def fill_rest(team: Team) -> None:
    """Store changes, meetings and trials."""
    for number in range(CHANGES):
        change = Change(
            id=f"change-{number}",
            subject="tool.py",
            workspace="/srv/tools",
            base="0" * 40,
            diff=DIFF,
            at="2026-01-01T00:00:00Z",
            title=f"Repair tool {number}",
        )
        with standing_alone(uuid.uuid4().hex, "improving"):
            await team.changing.propose(change, None, {"report": "1 of 2 tests fails.\n" * 20})
        async with team.database.transaction() as connection:
            status = "waiting" if number < 10 else "applied"
            await changes.move(connection, change.id, status, "proposed")
    vote = Vote(
        expert="risk", department="Risk", family="qwen", answer="wait", argument="So. " * 90
    )
    ruling = Ruling(
        answer="wait", confidence=0.8, votes=(vote,) * 5, is_consensus=True, reason="all agree"
    )
    minutes = {"task": {"text": "Sell or wait?"}, "ruling": ruling.as_json(), "seats": []}
    minutes |= {"spent": {"calls": 5, "tokens": 900, "cost_usd": 0.01}}
    async with team.database.transaction() as connection:
        for number in range(ROOMS):
            await rooms.keep(connection, f"room-{number}", "thread", "general", minutes)
    for subject in ("researcher", "engineer", "risk"):
        trial = await team.proving.open("prompt", subject, {"version": 2})
        for number in range(PAIRS):
            await team.proving.pair(trial, f"{subject}-{number}", number % 3 > 0, number % 4 > 0)


def main() -> None:
    """Measure, and print a table or one object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=40)
    chosen = parser.parse_args()
    told = asyncio.run(measure(chosen.tasks, chosen.rounds, chosen.seed))
    if not chosen.json:
        for path, page in told["pages"].items():
            print(f"{path:<52}{page['p50_ms']:>8} ms{page['p95_ms']:>8} ms{page['bytes']:>9} bytes")
    print(json.dumps(told))


if __name__ == "__main__":
    main()
