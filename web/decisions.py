"""Decisions: the signed log, found by who, what and when; and whether its chain is intact."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from agora import team
from agora.app import chains
from agora.domain.contracts import Json
from agora.domain.errors import UsageError
from memory import entries
from memory.database import Row
from memory.decisions import Finding
from web import words
from web.entry import Admitted, Form

router = APIRouter(include_in_schema=False)
PAGE = 50
CHOICES = 30
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
Wish = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True)
class Verified:
    """What the last look at the whole chain found."""

    finding: Finding
    at: datetime
    took_s: float


@router.get("/decisions")
async def listed(
    page: Admitted,
    actor: Wish = "",
    action: Wish = "",
    verdict: Wish = "",
    day: Wish = "",
    case: Wish = "",
    before: int = entries.LAST,
) -> Response:
    """Show the newest entries, or those that were asked for."""
    wanted = {"actor": actor, "action": action, "verdict": verdict, "correlation_id": case}
    day = day if DAY.fullmatch(day) else ""
    async with page.database.autocommit() as connection:
        rows = await entries.found(connection, wanted, day=day, before=before, limit=PAGE + 1)
        some = rows if not any((*wanted.values(), day)) else await entries.found(connection, {})
    older = ""
    if len(rows) > PAGE:
        asked = {"actor": actor, "action": action, "verdict": verdict, "day": day, "case": case}
        older = "/decisions?" + urlencode({**asked, "before": str(rows[PAGE - 1]["seq"])})
    return await page.show(
        "decisions.html",
        here="/decisions",
        entries=rows[:PAGE],
        wanted=wanted | {"day": day},
        choices=_choices(some, wanted),
        older=older,
        is_first=before == entries.LAST,
        verified=page.request.app.state.verified,
    )


def _choices(rows: Sequence[Row], wanted: dict[str, str]) -> Json:
    """Return what can be picked: what the newest entries hold, and what is picked."""
    return {
        name: sorted({str(row[name]) for row in rows} | {wanted[name]} - {""})[:CHOICES]
        for name in ("actor", "action", "verdict")
    }


@router.get("/decisions/export")
async def export(page: Admitted) -> Response:
    """Stream the whole log as JSON Lines."""
    headers = {"Content-Disposition": 'attachment; filename="decisions.jsonl"'}
    return StreamingResponse(chains.exported(), media_type="application/jsonl", headers=headers)


@router.get("/decisions/{seq}")
async def one(page: Admitted, seq: int) -> Response:
    """Show an entry between its neighbours, with all that it holds."""
    async with page.database.autocommit() as connection:
        rows = await entries.one(connection, seq)
    around = {row["seq"]: row for row in rows}
    if seq not in around:
        raise UsageError(f"there is no entry {seq}", "the newest ones: the page Decisions")
    entry = around[seq]
    told = {"seq", "hash", "signature", "body", "at", "actor", "action", "resource", "verdict"}
    more = {name: value for name, value in entry.items() if name not in told | {"reasons"}}
    return await page.show(
        "decision.html",
        here="/decisions",
        entry=entry,
        more=more,
        before=around.get(seq - 1),
        after=around.get(seq + 1),
    )


@router.post("/decisions/verify")
async def verify(request: Request, page: Admitted, form: Form) -> Response:
    """Look at the whole chain, beside the server's own work."""
    began = perf_counter()
    finding = await asyncio.to_thread(chains.verify, team.current().settings)
    took_s = perf_counter() - began
    request.app.state.verified = Verified(finding, words.now(), took_s)
    return RedirectResponse("/decisions#chain", 303)
