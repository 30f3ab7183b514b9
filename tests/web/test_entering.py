"""Who may come in: the token, sessions, forms of this session alone, nothing of other sites."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import SecretStr

import agora.team
from agora.domain.settings import Settings
from agora.team import assemble
from tests.chromium import Browser
from tests.improving import Workshop
from tests.visiting import Served, form_token, serving
from web.entry import local
from web.sessions import Sessions, sessions_of

TOKEN = "open-sesame-2026"


@pytest.fixture
async def locked(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """Pages of a server that has a token."""
    serve = settings.serve.model_copy(update={"token": SecretStr(TOKEN)})
    team = assemble(settings.model_copy(update={"serve": serve}))
    monkeypatch.setattr(agora.team, "current", lambda: team)
    async with serving(monkeypatch) as served:
        yield served
    await team.database.close()


@pytest.mark.needs("chromium")
async def test_who_knows_the_token_comes_in_and_goes_on_to_what_was_asked_for(
    locked: Served, browser: Browser
) -> None:
    tab = await browser.tab()
    await tab.open(locked.address + "/tasks?status=open")
    assert await tab.text("h1") == "Log in"
    await tab.fill("#token", "open-sesame-2025")
    await tab.submit("button.main")
    assert "That is not the token" in await tab.text()
    assert await tab.run("document.cookie") == ""  # no script can read a session
    await tab.fill("#token", TOKEN)
    await tab.fill("#by", "M. Okafor")
    await tab.submit("button.main")
    assert await tab.run("location.pathname + location.search") == "/tasks?status=open"
    assert "M. Okafor" in await tab.text(".who")
    await tab.submit(".who button")
    await tab.open(locked.address + "/decisions")
    assert await tab.text("h1") == "Log in"


async def test_nothing_is_shown_without_the_token(locked: Served) -> None:
    for path in ("/", "/tasks", "/approvals/change", "/decisions/export", "/live"):
        answer = await locked.client.get(path)
        assert answer.status_code == 401 and "Overview" not in answer.text, path
    styled = re.search(r'href="(/static/[^"]+)"', await locked.read("/login"))
    assert styled and (await locked.client.get(styled[1])).status_code == 200


async def test_a_program_shows_the_token_as_a_bearer(locked: Served) -> None:
    answer = await locked.client.get("/", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200 and "Waits for you" in answer.text
    wrong = await locked.client.get("/", headers={"Authorization": "Bearer no"})
    assert wrong.status_code == 401


async def test_a_session_of_another_token_is_over(locked: Served) -> None:
    sessions = sessions_of("the token of yesterday")
    cookie = sessions.seal(sessions.begin("somebody"))
    answer = await locked.client.get("/", headers={"Cookie": f"agora_session={cookie}"})
    assert answer.status_code == 401


async def test_every_form_is_refused_that_was_not_made_for_this_session(
    pages: Served, waiting: Workshop
) -> None:
    page = await pages.read("/approvals/change")
    forms = re.findall(r'<form[^>]*method="post"', page)
    assert forms and page.count('name="csrf"') == len(forms)
    given = {"decision": "approve", "hash": "0" * 64}
    for token in ("", "f00", form_token(page)[:-1] + "x"):
        answer = await pages.client.post("/approvals/change", data={"csrf": token} | given)
        assert answer.status_code == 403 and "Nothing was done" in answer.text
    async with httpx.AsyncClient(base_url=pages.address) as stranger:
        answer = await stranger.post("/approvals/change", data={"csrf": form_token(page)} | given)
        assert answer.status_code == 403
    assert waiting.is_untouched


async def test_another_sites_page_can_neither_read_nor_decide(
    pages: Served, waiting: Workshop
) -> None:
    foreign = {"Origin": "http://localhost:3000"}
    assert (await pages.client.get("/approvals/change", headers=foreign)).status_code == 403
    page = await pages.read("/approvals/change")
    sent = {"csrf": form_token(page), "decision": "approve"}
    answer = await pages.client.post("/approvals/change", data=sent, headers=foreign)
    assert answer.status_code == 403 and waiting.is_untouched


async def test_a_decision_about_other_bytes_than_were_shown_is_refused(
    pages: Served, waiting: Workshop
) -> None:
    page = await pages.read("/approvals/change")
    answer = await pages.post("/approvals/change", page, decision="approve", hash="0" * 64)
    assert answer.status_code == 409 and "not what you were shown" in answer.text
    assert waiting.is_untouched


async def test_every_page_forbids_foreign_scripts_and_frames(pages: Served) -> None:
    headers = (await pages.client.get("/")).headers
    assert headers["content-security-policy"] == "default-src 'self'; img-src data:"
    assert headers["x-frame-options"] == "DENY" and headers["cache-control"] == "no-store"
    cookie = headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie


@pytest.mark.parametrize("to", ["//evil.example/", "/\\evil.example", "https://evil.example", ""])
def test_the_log_in_page_leads_nowhere_else(to: str) -> None:
    assert local(to) == "/"


def test_who_guesses_has_to_wait() -> None:
    sessions = Sessions("secret", "right")
    assert sessions.opens("right")
    assert not any(sessions.opens(f"wrong {number}") for number in range(10))
    assert not sessions.opens("right")


def test_a_cookie_that_was_tampered_with_is_nobodys() -> None:
    sessions = Sessions("secret")
    body, _, signature = sessions.seal(sessions.begin("a")).partition(".")
    assert sessions.read(f"{body}.{signature}")
    assert sessions.read(f"{body}x.{signature}") is None
    assert sessions.read(f"{body}.") is None and sessions.read("") is None
