"""Probes and metrics: is it alive, may it be asked, how is each part, what has it done."""

from fastapi import APIRouter
from starlette.responses import JSONResponse, PlainTextResponse, Response

from agora import team
from agora.app import metrics as figures
from agora.app import probes

router = APIRouter(include_in_schema=False)


@router.get("/livez")
async def livez() -> Response:
    """Answer from the event loop alone."""
    return PlainTextResponse("alive\n")


@router.get("/readyz")
async def readyz() -> Response:
    """Answer 200 when a task would be done: the database answers, and experts can bid."""
    if await probes.is_ready(team.current()):
        return PlainTextResponse("ready\n")
    return PlainTextResponse("not ready: /healthz says why\n", 503)


@router.get("/healthz")
async def healthz() -> Response:
    """Return a check for each part, as application/health+json."""
    told = await probes.health(team.current())
    status = 503 if told["status"] == "fail" else 200
    return JSONResponse(told, status, media_type="application/health+json")


@router.get("/metrics")
async def metrics() -> Response:
    """Return figures in Prometheus' text format; their names begin with agora_."""
    return Response(await figures.metrics(team.current()), media_type=figures.CONTENT_TYPE)
