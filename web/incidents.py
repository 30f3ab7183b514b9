"""Incidents: what went wrong with the house itself, what mended it, and what people were told."""

from collections.abc import Sequence
from datetime import datetime
from statistics import median
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from agora.domain.contracts import Json
from memory import incidents, views
from memory.database import Row
from web import charts, words
from web.entry import Admitted

router = APIRouter(include_in_schema=False)
MOST = 100
ENDED = {"healed": "mended by itself", "passed": "passed by itself", "told": "a person was told"}


@router.get("/incidents")
async def listed(page: Admitted) -> Response:
    """Show incidents, changes that were taken back, and alerts, each the newest first."""
    async with page.database.autocommit() as connection:
        rows = await incidents.newest(connection, MOST)
        alarms = await views.alarms(connection, ["alarm"])
        alerts = await views.alerts(connection)
    shown = [_incident(row) for row in rows if row["evidence"].get("detected_at")]
    return await page.show(
        "incidents.html",
        here="/incidents",
        incidents=shown,
        figures=_figures(shown),
        alarms=[_alarm(row) for row in alarms],
        alerts=alerts,
    )


def _incident(row: Row) -> Json:
    evidence: Any = row["evidence"]
    began, seconds = datetime.fromisoformat(evidence["detected_at"]), evidence.get("duration_s")
    return {
        "fault": evidence["fault"].replace("_", " "),
        "subject": evidence["subject"],
        "cause": evidence.get("cause", ""),
        "began": began,
        "seconds": seconds,
        "verdict": row["verdict"],
        "ended": ENDED.get(row["verdict"] or "", "goes on"),
        "remedies": [
            {"name": one["remedy"], "said": one.get("error") or one.get("said") or ""}
            for one in evidence.get("remedies", [])
        ],
        "why_told": evidence.get("told_because", ""),
    }


def _figures(shown: Sequence[Json]) -> Json:
    """Return what share mended by itself, how long incidents lasted, and how often people had to.

    What goes on counts for none of them.
    """
    over = [one for one in shown if one["verdict"]]
    lasted = [one["seconds"] for one in over if one["seconds"] is not None]
    mended = sum(one["verdict"] != "told" for one in over)
    most = max(lasted, default=0.0)
    for one in shown:
        one["width"] = charts.percent(one["seconds"] or 0.0, most)
    return {
        "over": len(over),
        "mended": mended,
        "share": mended / len(over) if over else None,
        "median_s": median(lasted) if lasted else None,
        "told": sum(bool(one["why_told"]) for one in shown),
        "living": len(shown) - len(over),
    }


def _alarm(row: Row) -> Json:
    seconds = (row["closed_at"] - row["created_at"]).total_seconds() if row["closed_at"] else None
    return {
        "change": row["evidence"].get("change", ""),
        "subject": row["subject"].rpartition(":")[2],
        "outcomes": words.count((row["evidence"].get("watch") or {}).get("outcomes", 0), "outcome"),
        "verdict": row["verdict"] or row["status"],
        "at": row["created_at"],
        "seconds": seconds,
    }
