"""The style sheet and the script: read once, named by their content, kept by browsers."""

from functools import cache
from hashlib import sha256

from fastapi import APIRouter
from fastapi.responses import Response

from web.frame import HEADERS, HERE, environment

router = APIRouter(include_in_schema=False)
TYPES = {"style.css": "text/css", "pages.js": "text/javascript"}
YEAR = "public, max-age=31536000, immutable"


@cache
def _content(name: str) -> bytes:
    return (HERE / "static" / name).read_bytes()


def address(name: str) -> str:
    """Return where a file is, with a part that changes with it."""
    return f"/static/{name}?{sha256(_content(name)).hexdigest()[:12]}"


@router.get("/static/{name}")
async def static(name: str) -> Response:
    """Return a file that every page needs, the log-in page too."""
    if name not in TYPES:
        return Response("there is no such file", 404, media_type="text/plain")
    return Response(
        _content(name), headers=HEADERS | {"Cache-Control": YEAR}, media_type=TYPES[name]
    )


environment.globals["address"] = address
