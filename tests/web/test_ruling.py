"""A meeting that cannot agree is ruled by a person, on its page."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agora.app import deciding
from tests.chromium import Browser
from tests.running import Hire, Staff, thread
from tests.visiting import Served, serving

TASK = {"text": "Is the old bridge safe for trucks?", "urgency": "urgent", "id": "bridge"}
PATH = "/rooms/bridge"


ANSWERS = {"engineer": "yes", "generalist": "no", "researcher": "in July", "risk": "ask again"}


def disagreeing(messages: Sequence[Any]) -> str:
    """Vote as nobody else does, and find no two answers alike."""
    if "Decide which of the numbered" in str(messages[-1]["content"]):
        return json.dumps({"groups": []})
    answer = next(ANSWERS[one] for one in ANSWERS if f"You are the {one}" in messages[0]["content"])
    return json.dumps({"answer": answer, "confidence": 0.8, "argument": f"because {answer}"})


@asynccontextmanager
async def met(hire: Hire, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Staff, Served]]:
    """Serve the pages of a team whose meeting waits for a person."""
    staff = hire(disagreeing, **{"room.asks_person": True, "room.evidence": False})
    given: Any = {"task": TASK}
    await staff.task.ainvoke(given, thread("one"), durability="sync")
    async with serving(monkeypatch) as served:
        yield staff, served


async def ruled(served: Served) -> str:
    """Wait until the run has got its ruling, and return the page."""
    async with asyncio.timeout(60):
        while "decided by" not in (page := await served.read(PATH)):
            await asyncio.sleep(0.05)
    return page


async def settled(staff: Staff) -> dict[str, Any]:
    """Wait until the task has its outcome, and return the state."""
    async with asyncio.timeout(60):
        while not (state := await staff.state()).get("outcome"):
            await asyncio.sleep(0.05)
    return state


async def test_it_waits_on_the_pages_until_somebody_rules(
    hire: Hire, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with met(hire, monkeypatch) as (staff, served):
        for path in ("/", "/approvals"):
            assert "a war room that could not agree" in (await served.read(path)).lower()
        page = await served.read(PATH)
        assert "Waits for you" in page and "Which answer holds?" in page
        answer = await served.post(PATH, page, decision="rule")
        assert "Choose an answer, or write one." in await served.read(answer.headers["location"])
        refused = await served.client.post(PATH, data={"decision": "rule", "answer": "0"})
        assert refused.status_code == 403
        assert (await staff.team.meeting.appealing.waiting())[0]["room_id"] == "bridge"


async def test_what_it_leaves_open_stays_without_an_answer(
    hire: Hire, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with met(hire, monkeypatch) as (staff, served):
        page = await served.read(PATH)
        await served.post(PATH, page, decision="open")
        assert await deciding.rule("bridge", "too late", "somebody else") == ""
        assert "decided by nobody (operator)" in await ruled(served)
        assert (await settled(staff))["outcome"]["status"] == "failed"
        assert "Nothing waits for you" in await served.read("/")


@pytest.mark.needs("chromium")
async def test_a_person_writes_the_answer_without_javascript(
    hire: Hire, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with met(hire, monkeypatch) as (staff, served):
        tab = await browser.tab()
        await tab.without_scripts()
        await tab.open(f"{served.address}/approvals")
        await tab.submit("#waiting a.title")
        await tab.fill("#written", "below <b>nine</b> tons")
        await tab.submit("button[value=rule]")
        assert "by operator" in await tab.text("#status")
        await ruled(served)
        assert (await settled(staff))["outcome"]["answer"] == "below <b>nine</b> tons"
        await tab.open(served.address + PATH)
        assert "decided by person (operator)" in await tab.text("#status")
        assert "below <b>nine</b> tons" in await tab.text("main")
        assert not await tab.run("!!document.querySelector('#decide')")
        assert tab.problems == []
