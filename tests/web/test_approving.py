"""Decisions taken in a real browser reach the waiting run, as those of the command line do."""

import asyncio

import pytest

from agora.team import Team
from tests.chromium import Browser, Tab
from tests.conftest import ask
from tests.improving import MENDED, Workshop
from tests.visiting import Served

pytestmark = pytest.mark.needs("chromium")
PATH = "/approvals/change"
MY_DIFF_LINE = "+    return count * price"


async def shown(pages: Served, browser: Browser, path: str = PATH) -> Tab:
    tab = await browser.tab()
    await tab.open(pages.address + path)
    return tab


async def test_an_approval_in_a_browser_commits_what_was_shown(
    pages: Served, browser: Browser, waiting: Workshop, team: Team
) -> None:
    tab = await shown(pages, browser, "/")
    assert "Repair" not in await tab.text("#running")
    await tab.submit("#waiting a.title")
    assert "return price * count" in await tab.text(".diff ins")
    await tab.submit("button[value=approve]")
    # The page follows the run by itself: nobody loads it again.
    await tab.until("document.querySelector('#status').innerText.includes('applied')")
    assert waiting.read() == MENDED and len(waiting.commits) == 2
    said = await team.changing.answered("change")
    assert said and (said["type"], said["by"]) == ("approve", "operator")
    await tab.until("!document.querySelector('#navigation .count')")
    assert tab.problems == []


async def test_a_rejection_needs_a_reason_and_leaves_all_as_it_was(
    pages: Served, browser: Browser, waiting: Workshop, team: Team
) -> None:
    tab = await shown(pages, browser)
    await tab.click("button[value=reject]")
    assert await tab.run("document.querySelector('#reason').matches(':invalid')")
    assert await team.changing.answered("change") is None
    await tab.fill("#reason", "it is another bug")
    await tab.submit("button[value=reject]")
    await tab.until("document.querySelector('#status').innerText.includes('rejected')")
    assert waiting.is_untouched
    said = await team.changing.answered("change")
    assert said and (said["type"], said["reason"]) == ("reject", "it is another bug")


@pytest.mark.needs("bubblewrap")
async def test_an_edited_change_is_tested_and_waits_again(
    pages: Served, browser: Browser, waiting: Workshop, team: Team
) -> None:
    tab = await shown(pages, browser)
    await tab.click("summary:not(#path summary)")
    text = str(await tab.run("document.querySelector('#edit').value"))
    await tab.fill("#edit", text.replace("+    return price * count", MY_DIFF_LINE))
    await tab.submit("button[value=edit]")
    await tab.until("!!document.querySelector('#status a[href$=changee]')")
    await tab.until("document.querySelector('#status').innerText.includes('waiting')")
    await tab.submit("#status a[href$=changee]")
    assert "return count * price" in await tab.text(".diff ins")
    assert waiting.is_untouched
    await tab.submit("button[value=approve]")
    await tab.until("document.querySelector('#status').innerText.includes('applied')")
    assert "return count * price" in waiting.read()


async def test_it_can_all_be_done_without_javascript_and_by_keyboard(
    pages: Served, browser: Browser, waiting: Workshop
) -> None:
    tab = await browser.tab()
    await tab.without_scripts()
    await tab.open(pages.address + PATH)
    for _ in range(40):
        await tab.press("Tab")
        if await tab.run("document.activeElement.value") == "approve":
            break
    tab._loaded.clear()
    await tab.press("Enter")
    await tab._arrived()
    for _ in range(100):
        await tab.open(pages.address + PATH)
        if "applied" in await tab.text("#status"):
            break
        await asyncio.sleep(0.1)
    assert waiting.read() == MENDED


async def test_of_two_people_the_first_answer_counts(
    pages: Served, browser: Browser, waiting: Workshop, team: Team
) -> None:
    first, second = await shown(pages, browser), await shown(pages, browser)
    await second.fill("#reason", "too late")
    await first.submit("button[value=approve]")
    await first.until("document.querySelector('#status').innerText.includes('applied')")
    # What somebody is writing is never taken away; its answer is refused in words.
    assert await second.run("document.querySelector('#reason').value") == "too late"
    await second.submit("button[value=reject]")
    assert "nothing is left to decide" in await second.text()
    rows = await ask(team, "SELECT type FROM approvals")
    assert [row["type"] for row in rows] == ["approve"]
