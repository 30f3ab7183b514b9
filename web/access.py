"""Who may come in: whoever shows the token, and no other site's pages.

A browser sends requests for any page that it shows, so what comes from another origin is refused,
and without a token also what was addressed to a name that is not this machine's (DNS rebinding).
"""

import hmac
import os
from functools import cache
from urllib.parse import quote, urlsplit

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from agora.domain.settings import ServeSettings, load
from web.sessions import sessions_of

COOKIE = "agora_session"
LOG_IN = "/login"
OPEN = ("/livez", "/readyz", "/metrics", LOG_IN, "/static/")
"""Paths that need no token; one that ends in / opens what is below it."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@cache
def settings() -> ServeSettings:
    """Return how this server is to be reached; read once a process."""
    return load(os.environ).serve


def is_token(said: str, token: SecretStr) -> bool:
    """Return whether what somebody said is the token; it takes as long whatever they said."""
    return hmac.compare_digest(said.encode(), token.get_secret_value().encode())


class Access:
    """Middleware that answers 401 or 403 for whoever may not come in."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it."""
        refused = _refusal(HTTPConnection(scope)) if scope["type"] == "http" else None
        await (refused or self.app)(scope, receive, send)


def _refusal(asked: HTTPConnection) -> Response | None:
    known = settings()
    if not _is_own_origin(asked.headers, known) or not _is_own_name(asked.headers, known):
        return _no(403, "requests from other sites' pages are refused", "see serve.origins")
    if known.token is None or _is_open(asked.url.path) or _is_known(asked, known.token):
        return None
    if "text/html" in asked.headers.get("accept", ""):
        return RedirectResponse(way_to_login(asked), 303)
    return _no(401, "this server wants its token", "Authorization: Bearer …, or x-api-key: …")


def _no(status: int, message: str, hint: str) -> Response:
    error = {"code": "refused", "message": message, "hint": hint}
    return JSONResponse({"error": error}, status)


def _is_own_origin(headers: Headers, known: ServeSettings) -> bool:
    origin = headers.get("origin")
    if origin is None or origin in known.origins:
        return True
    return urlsplit(origin).netloc == headers.get("host")


def _is_own_name(headers: Headers, known: ServeSettings) -> bool:
    name = urlsplit(f"//{headers.get('host', '')}").hostname
    return known.token is not None or name in (*LOOPBACK, known.host)


def _is_open(path: str) -> bool:
    return any(path == one or (one[-1] == "/" and path.startswith(one)) for one in OPEN)


def _is_known(asked: HTTPConnection, token: SecretStr) -> bool:
    kind, _, said = asked.headers.get("authorization", "").partition(" ")
    shown = said if kind.lower() == "bearer" else asked.headers.get("x-api-key", "")
    if shown:
        return is_token(shown, token)
    visit = sessions_of(token.get_secret_value()).read(asked.cookies.get(COOKIE, ""))
    return visit is not None and bool(visit.by)


def way_to_login(asked: HTTPConnection) -> str:
    """Return where somebody logs in who then goes on to what was asked for."""
    wanted = asked.url.path + (f"?{asked.url.query}" if asked.url.query else "")
    is_shown = asked.scope["method"] == "GET" and wanted != "/"
    return f"{LOG_IN}?to={quote(wanted)}" if is_shown else LOG_IN
