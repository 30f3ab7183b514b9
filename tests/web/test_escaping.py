"""Whatever models, tools and people have written is shown, and never runs."""

import pytest

from agora.team import Team
from tests.chromium import Browser
from tests.improving import DIFF
from tests.running import Hire
from tests.visiting import Served, serving
from tests.web.planting import plant_change, plant_pulse, plant_room

pytestmark = pytest.mark.needs("chromium")
ATTACK = (
    "</p></code></textarea><script>window.ran = 1</script><img src=x onerror='window.ran = 2'>"
    "<svg onload=window.ran=3><iframe srcdoc='<script>parent.ran = 4</script>'></iframe>"
    "<a href='javascript:window.ran = 5'>x</a><style>*{display:none}</style>\"'`{{7*7}}{% x %}"
)
PATHS = (
    "/ /tasks /tasks/attack /approvals /approvals/planted /experts /tools /rooms /rooms/room-1 "
    "/decisions /decisions/1 /decisions/2"
).split()
RAN = "window.ran || document.querySelectorAll('main img, main iframe, main style').length"


async def test_no_text_of_a_model_becomes_markup(
    hire: Hire, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff = hire(lambda messages: f"{ATTACK}\n\n- {ATTACK}\n\n```\n{ATTACK}\n```")
    await staff.ask(f"What does this mean: {ATTACK}", id="attack")
    await attack(staff.team)
    async with serving(monkeypatch) as served:
        tab = await browser.tab()
        for path in PATHS:
            await tab.open(served.address + path)
            assert not await tab.run(RAN), path
            assert tab.problems == [] and tab.dialogs == [], path
        await tab.open(served.address + "/tasks/attack")
        assert (await tab.text("#answer")).count("<script>window.ran = 1</script>") == 3
        await tab.open(served.address + "/approvals/planted")
        await tab.click(".decide summary")
        edited = await tab.run("document.querySelector('#edit').value")
        assert edited.rstrip() == attacking_diff().rstrip()


async def attack(team: Team) -> None:
    """Write it wherever somebody else's words are kept."""
    await plant_change(team, attacking_diff(), ATTACK)
    await plant_pulse(team, ATTACK)
    await plant_room(team, ATTACK)
    await team.acting.record("rule", ATTACK, ATTACK, actor=ATTACK, reasons=[ATTACK], more=ATTACK)
    told = {"workspace": ATTACK, "path": ATTACK, "tool": ATTACK, "error": ATTACK}
    await team.watching.judge(told | {"is_right": False, "arguments": {"x": ATTACK}}, "use")


def attacking_diff() -> str:
    return DIFF.replace("price * count", f"price * count  # {ATTACK}")


async def test_what_an_address_says_is_escaped_too(pages: Served, browser: Browser) -> None:
    tab = await browser.tab()
    for path in (
        "/tasks?text={}&status={}",
        "/tasks/{}",
        "/decisions?actor={}&day={}",
        "/login?to={}",
    ):
        await tab.open(
            pages.address + path.replace("{}", "%22%3E%3Cscript%3Ewindow.ran=1%3C/script%3E")
        )
        assert not await tab.run(RAN), path


async def test_a_diff_cannot_hide_what_it_does(pages: Served, team: Team) -> None:
    hidden = DIFF.replace("price * count", "price * count  # \u202e\u2066 admin")
    inside = (
        hidden.replace("@@ -1,3 +1,3 @@", "@@ -1,3 +1,5 @@") + "+-- not a header\n+++ b/other.py\n"
    )
    await plant_change(team, inside)
    page = await pages.read("/approvals/planted")
    shown = page[page.index('<pre class="diff"') : page.index("</pre>")]
    assert "\\u202e\\u2066 admin" in shown and "\u202e" not in page.split("<textarea")[0]
    assert "-- not a header" in shown and "++ b/other.py" in shown
