"""The frame of every page: navigation, what waits, how long it took; templates escape all."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from agora import team
from memory import views
from memory.database import Database
from web import charts, words
from web.access import COOKIE
from web.sessions import LASTS_S, Sessions, Visit

HERE = Path(__file__).parent
POLICY = "default-src 'self'; img-src data:"
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
NAVIGATION = (
    ("/", "Overview"),
    ("/tasks", "Tasks"),
    ("/approvals", "Approvals"),
    ("/experts", "Experts"),
    ("/tools", "Tools"),
    ("/rooms", "War rooms"),
    ("/decisions", "Decisions"),
    ("/incidents", "Incidents"),
    ("/capabilities", "Capabilities"),
)


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= words.FILTERS
    made.globals |= {"navigation": NAVIGATION, "charts": charts}
    return made


environment = _environment()


@dataclass(frozen=True)
class Page:
    """One page that is being made for one visitor."""

    request: Request
    visit: Visit
    form_token: str
    began: float
    is_new: bool = False  # the session begins with this page

    @property
    def database(self) -> Database:
        """Return the database that the page is made from."""
        return team.current().database

    async def show(
        self, template: str, *, status: int = 200, here: str = "", **shown: Any
    ) -> HTMLResponse:
        """Return the page; `here` is its place in the navigation."""
        shown |= {"page": self, "here": here, "csrf": self.form_token}
        shown["frame"] = await _frame(self.request) if self.visit.by else None
        shown["now"] = words.now()
        text = environment.get_template(template).render(shown)
        took_ms = 1000 * (perf_counter() - self.began)
        timing = {"Server-Timing": f"page;dur={took_ms:.2f}"}
        response = HTMLResponse(text, status, HEADERS | timing)
        return with_session(self.request, response, self.visit) if self.is_new else response

    @property
    def took(self) -> str:
        """Return how long the page has taken so far."""
        return words.duration(perf_counter() - self.began)


def page_of(request: Request, visit: Visit, *, is_new: bool = False) -> Page:
    """Begin a page."""
    sessions: Sessions = request.app.state.sessions
    return Page(request, visit, sessions.form_token(visit), perf_counter(), is_new)


Answer = TypeVar("Answer", bound=Response)


def with_session(request: Request, response: Answer, visit: Visit) -> Answer:
    """Return a response that keeps a session in the browser."""
    sessions: Sessions = request.app.state.sessions
    response.set_cookie(
        COOKIE,
        sessions.seal(visit),
        max_age=LASTS_S,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


async def _frame(request: Request) -> Mapping[str, Any]:
    async with team.current().database.autocommit() as connection:
        told = await views.frame(connection)
    return told | {"verified": request.app.state.verified}
