"""Entry: whose page it is, and the log-in page. The door itself is in `web.access`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import FormData

from web.access import COOKIE, LOG_IN
from web.frame import Page, page_of, with_session
from web.sessions import Sessions, Visit

router = APIRouter(include_in_schema=False)
MOST_FIELDS = 20
LONGEST_NAME = 60
SOMEBODY = "operator"
"""Who decides that has given no name."""


class LogInNeededError(Exception):
    """Nobody has logged in."""


class ForbiddenError(Exception):
    """The form is not of this session."""


def sessions_of(request: Request) -> Sessions:
    """Return the sessions of the running server."""
    sessions: Sessions = request.app.state.sessions
    return sessions


def visit_of(request: Request) -> Visit | None:
    """Return the session that a request belongs to."""
    return sessions_of(request).read(request.cookies.get(COOKIE, ""))


async def admitted(request: Request) -> Page:
    """Return the page of somebody who has come in; raise LogInNeededError.

    Where there is no token, and for a program that shows it, a session begins by itself.
    """
    sessions, visit = sessions_of(request), visit_of(request)
    if visit and visit.by:
        return page_of(request, visit)
    shows_token = {"authorization", "x-api-key"} & set(request.headers)
    if sessions.token is None or shows_token:
        return page_of(request, sessions.begin(SOMEBODY), is_new=True)
    raise LogInNeededError


async def form_of(request: Request) -> FormData:
    """Return a form that was made for this session; raise ForbiddenError."""
    form = await request.form(max_files=0, max_fields=MOST_FIELDS)
    visit = visit_of(request)
    if visit is None or not sessions_of(request).is_form_of(visit, text_of(form, "csrf")):
        raise ForbiddenError("the form is not of this session, or too old")
    return form


def text_of(form: FormData, name: str) -> str:
    """Return a field of a form as text; "" where it has none."""
    value = form.get(name)
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""


Admitted = Annotated[Page, Depends(admitted)]
Form = Annotated[FormData, Depends(form_of)]


@router.get(LOG_IN)
async def login(request: Request, to: str = "/") -> Response:
    """Ask for the token."""
    return await _asked(request, to)


@router.post(LOG_IN)
async def log_in(request: Request, form: Form) -> Response:
    """Open a session for whoever knows the token."""
    sessions, to = sessions_of(request), local(text_of(form, "to"))
    if sessions.token and not sessions.opens(text_of(form, "token").strip()):
        return await _asked(request, to, "That is not the token.", 403)
    name = " ".join(text_of(form, "by").split())[:LONGEST_NAME]
    response = RedirectResponse(to, 303)
    return with_session(request, response, sessions.begin(name or SOMEBODY))


@router.post("/logout")
async def log_out(form: Form) -> Response:
    """End the session in this browser."""
    response = RedirectResponse(LOG_IN, 303)
    response.delete_cookie(COOKIE)
    return response


def local(to: str) -> str:
    """Return a path of ours to go on to; anything else leads to the first page."""
    is_ours = to.startswith("/") and not to.startswith(("//", "/\\"))
    return to if is_ours and to.isprintable() else "/"


async def _asked(request: Request, to: str, problem: str = "", status: int = 200) -> Response:
    sessions = sessions_of(request)
    page = page_of(request, sessions.begin(), is_new=True)
    shown: dict[str, Any] = {"to": local(to), "problem": problem}
    return await page.show("login.html", status=status, needs_token=bool(sessions.token), **shown)
