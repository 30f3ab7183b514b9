"""Tools: how well each has worked, what could be better, what was repaired."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import PurePath

from fastapi import APIRouter
from fastapi.responses import Response

from agora import team
from agora.domain.contracts import Json
from memory import opportunities, views
from memory.database import Row
from web import charts, words
from web.entry import Admitted

router = APIRouter(include_in_schema=False)
DAYS = 14
MOST_TOOLS = 100
MOST_REPAIRS = 30
FLOOR = 0.5
"""Success at the foot of the small charts."""


@router.get("/tools")
async def tools(page: Admitted) -> Response:
    """Show the tools, the worst first."""
    midnight = words.now().replace(hour=0, minute=0, second=0, microsecond=0)
    since = midnight - timedelta(days=DAYS - 1)
    async with page.database.autocommit() as connection:
        calls = await views.calls(connection, since)
        took = await views.took(connection, since)
        living = await opportunities.living(connection)
        repairs = await views.changes(connection, MOST_REPAIRS)
        loops = await views.loops(connection)
    settings = team.current().settings.repair
    shown = _tools(calls, midnight.date(), settings.below)
    return await page.show(
        "tools.html",
        here="/tools",
        tools=[row | {"median_s": took.get(row["tool"])} for row in shown[:MOST_TOOLS]],
        more=len(shown) - MOST_TOOLS,
        below=settings.below,
        floor_y=charts.spark([settings.below], FLOOR)[0][1],
        opportunities=[_opportunity(row) for row in living],
        repairs=repairs,
        loops=loops,
        days=DAYS,
    )


def _tools(calls: Sequence[Row], today: date, below: float) -> list[Json]:
    found: dict[tuple[str, str, str], dict[date, Row]] = {}
    for row in calls:
        key = row["workspace"], row["path"], row["tool"]
        found.setdefault(key, {})[row["day"]] = row
    shown = [_tool(*key, days, today, below) for key, days in found.items()]
    return sorted(shown, key=lambda one: (one["success"], -one["calls"]))


def _tool(
    workspace: str, path: str, tool: str, days: dict[date, Row], today: date, below: float
) -> Json:
    shares = [
        days[day]["right"] / days[day]["calls"] if day in days else None
        for day in views.day_range(today, DAYS)
    ]
    known = [share for share in shares if share is not None]
    calls = sum(row["calls"] for row in days.values())
    success = sum(row["right"] for row in days.values()) / calls
    newest = days.get(today)
    points = charts.spark(shares, FLOOR)
    return {
        "tool": tool,
        "where": f"{PurePath(workspace).name}: {path}",
        "calls": calls,
        "success": success,
        "today": newest["right"] / newest["calls"] if newest else None,
        "calls_today": newest["calls"] if newest else 0,
        "fails": known[-1] < below,
        "points": charts.polyline(points),
        "end": points[-1],
        "told": f"from {known[0]:.2f} to {known[-1]:.2f}",
    }


def _opportunity(row: Row) -> Json:
    """Return an opportunity with what people see of its evidence."""
    evidence = row["evidence"]
    told = [
        f"success {evidence['success']:.2f}" if "success" in evidence else "",
        words.count(evidence["executions"], "call") if "executions" in evidence else "",
    ]
    return {**row, "told": ", ".join(filter(None, told))}
