"""Capabilities: what can be switched on, how far each has come, and what it was shown to bring."""

from fastapi import APIRouter
from fastapi.responses import Response

from web.entry import Admitted

router = APIRouter(include_in_schema=False)


@router.get("/capabilities")
async def capabilities(page: Admitted) -> Response:
    """Show each capability with its phase and its measured benefit."""
    return await page.show("capabilities.html", here="/capabilities", capabilities=[])
