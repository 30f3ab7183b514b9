"""Incidents: what went wrong with the house itself, and what mended it."""

from fastapi import APIRouter
from fastapi.responses import Response

from web.entry import Admitted

router = APIRouter(include_in_schema=False)


@router.get("/incidents")
async def incidents(page: Admitted) -> Response:
    """Show incidents, the newest first."""
    return await page.show("incidents.html", here="/incidents", incidents=[])
