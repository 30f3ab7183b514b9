"""Probes and metrics: is it alive, may it be asked, how is each part, what has it done."""

import asyncio

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, PlainTextResponse, Response

from agora import team
from agora.app import checks, reports
from agora.domain.errors import AgoraError

router = APIRouter(include_in_schema=False)
READY_S = 2.0
"""How long the database may take to answer before the server is not ready."""


@router.get("/livez")
async def livez() -> Response:
    """Answer from the event loop alone."""
    return PlainTextResponse("alive\n")


@router.get("/readyz")
async def readyz() -> Response:
    """Answer 200 when a task would be done: the database answers, and experts can bid."""
    try:
        async with asyncio.timeout(READY_S), team.current().database.autocommit() as connection:
            await connection.execute("SELECT 1")
    except (AgoraError, TimeoutError, OSError) as error:
        return PlainTextResponse(f"not ready: {error or 'the database is silent'}\n", 503)
    return PlainTextResponse("ready\n")


@router.get("/healthz")
async def healthz() -> Response:
    """Return a check for each part, as application/health+json."""
    found = await checks.vital(team.current())
    is_well = all(one["status"] != checks.WRONG for one in found)
    told = {one["name"]: [_health(one)] for one in found}
    body = {"status": "pass" if is_well else "fail", "checks": told}
    return JSONResponse(body, 200 if is_well else 503, media_type="application/health+json")


def _health(one: dict[str, str]) -> dict[str, str]:
    status = {checks.OK: "pass", checks.MISSING: "warn", checks.WRONG: "fail"}[one["status"]]
    return {"status": status, "output": one["said"], "remedy": one["remedy"]}


@router.get("/metrics")
async def metrics() -> Response:
    """Return figures in Prometheus' text format; their names begin with agora_."""
    return Response(await reports.metrics(team.current()), media_type=CONTENT_TYPE_LATEST)
