"""Overview: what waits for a person, what the team does now, how it has gone, what it cost."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import Response

from agora import team
from agora.domain.contracts import TENANT, Json
from memory import appeals, changes, escalations, opportunities, pulses, views
from memory.database import Row, Rows
from web import charts, health, paths, words
from web.entry import Admitted

router = APIRouter(include_in_schema=False)
DAYS = 14


@router.get("/")
async def overview(page: Admitted) -> Response:
    """Show the team at work."""
    midnight = words.now().replace(hour=0, minute=0, second=0, microsecond=0)
    since = midnight - timedelta(days=DAYS - 1)
    async with page.database.autocommit() as connection:
        waiting = await all_waiting(connection)
        pulse = await pulses.newest(connection, TENANT)
        running = await views.running(connection)
        days = await views.days(connection, since)
        spent = await views.spent(connection, midnight)
        living = await opportunities.living(connection)
        parts = await health.parts(connection, team.current().clock())
    return await page.show(
        "overview.html",
        here="/",
        waiting=waiting,
        pulse=pulse,
        running=[row | {"at": _place(row["stage"])} for row in running],
        stages=len(TRACK),
        today=_today(days, midnight, spent),
        success=_success(days, midnight),
        spent=_spent(spent),
        opportunities=living,
        parts=parts,
        budget_usd=team.current().settings.budget.day_usd,
    )


async def all_waiting(connection: Rows) -> list[Json]:
    """Return what waits for a person, oldest first: changes, acts that want a yes, meetings."""
    found = [_change(row) for row in await changes.waiting(connection)]
    found += [_act(row) for row in await escalations.waiting(connection)]
    found += [_appeal(row) for row in await appeals.waiting(connection)]
    return sorted(found, key=lambda one: one["since"])


def _change(row: Row) -> Json:
    verdict = row["evidence"].get("verdict") or {}
    return {
        "address": f"/approvals/{quote(row['id'], safe='')}",
        "title": row["title"] or f"{row['kind']} {row['subject']}",
        "about": f"{row['kind']} of {row['subject']} in {row['workspace']}",
        "is_flagged": verdict.get("verdict") == "flag",
        "reason": verdict.get("reason", ""),
        "since": row["created_at"],
    }


def _act(row: Row) -> Json:
    act = row["act"]
    return {
        "address": f"/permissions/{quote(row['id'], safe='')}",
        "title": f"May {act['actor']} {act['kind'].replace('_', ' ')} {act['subject']}?",
        "about": "an act that the policies leave to you",
        "is_flagged": False,
        "reason": "; ".join(row["reasons"]),
        "since": row["created_at"],
    }


def _appeal(row: Row) -> Json:
    return {
        "address": f"/rooms/{quote(row['room_id'], safe='')}#decide",
        "title": row["task"]["text"],
        "about": "a war room that could not agree leaves the answer to you",
        "is_flagged": False,
        "reason": row["ruling"]["reason"],
        "since": row["created_at"],
    }


TRACK = (
    "intake",
    "pulse",
    "recall",
    "planning",
    "bidding",
    "execution",
    "war_room",
    "reflection",
)


def _place(stage: str) -> Json:
    """Return how far along a stage is, and its name."""
    stage = paths.INSIDE_OF.get(stage, stage)
    nearest = {"subtask": "execution", "joining": "execution", "rewriting": "reflection"}
    at = TRACK.index(nearest.get(stage, stage)) if nearest.get(stage, stage) in TRACK else 0
    return {"number": at, "name": stage.replace("_", " ")}


def _today(days: list[Row], midnight: datetime, spent: list[Row]) -> Json:
    row: Row = next((row for row in days if row["day"] == midnight.date()), {})
    ended, answered = row.get("ended", 0), row.get("answered", 0)
    return {
        "ended": ended,
        "answered": answered,
        "share": answered / ended if ended else None,
        "spent_usd": sum(one["cost_usd"] for one in spent),
        "tokens": sum(one["tokens"] for one in spent),
    }


def _success(days: list[Row], midnight: datetime) -> Json | None:
    """Return the share of tasks that were answered by day, as a chart; None: nothing has ended."""
    told = [row for row in days if row["ended"]]
    if not told:
        return None
    shares = [100 * row["answered"] / row["ended"] for row in told]
    labels = [_named(row, midnight) for row in told]
    said = words.share(shares[-1] / 100)
    line = charts.line(shares, labels, said, charts.floor_of(shares), "%")
    worst = min(range(len(told)), key=shares.__getitem__)
    finding = (
        f"{said} {labels[-1] if labels[-1] == 'today' else f'on {labels[-1]}'}; the least was "
        f"{words.share(shares[worst] / 100)}, {labels[worst]}."
    )
    rows: list[Any] = list(zip(labels, told, shares, strict=True))
    return {"line": line, "finding": finding, "rows": rows}


def _named(row: Row, midnight: datetime) -> str:
    return "today" if row["day"] == midnight.date() else words.day(row["day"])


def _spent(spent: list[Row]) -> list[Json]:
    most = max((row["cost_usd"] for row in spent), default=0.0)
    return [row | {"width": charts.percent(row["cost_usd"], most)} for row in spent]
