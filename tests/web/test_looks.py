"""How pages look to everybody: contrast, names of controls, narrow screens, both themes."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from tests.chromium import Browser, Tab
from tests.running import Hire, Staff, refusing
from tests.visiting import Served, serving
from tests.web.planting import plant

pytestmark = pytest.mark.needs("chromium")
PATHS = (
    "/ /tasks /tasks/answered /tasks/failed /approvals /approvals/planted /experts /tools /rooms "
    "/decisions /decisions/2 /incidents /capabilities /login /tasks/nobody"
).split()
# The ratio of WCAG 2.1: what is at least 24 px, or 18.66 px and bold, needs 3, all else 4.5.
CONTRAST = """
(() => {
  const channel = (c) => { c /= 255; return c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4 };
  const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const parse = (text) => {
    const found = text.match(/[\\d.]+/g).map(Number);
    const isUnit = text.startsWith('color(');
    const [r, g, b, a = 1] = isUnit ? [...found.slice(0, 3).map((c) => 255 * c), found[3]] : found;
    return [r, g, b, a];
  };
  const over = (top, under) => top.slice(0, 3).map((c, i) => c * top[3] + under[i] * (1 - top[3]));
  const ground = (element) => {
    const layers = [];
    for (let it = element; it; it = it.parentElement) {
      const colour = parse(getComputedStyle(it).backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const bad = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    const text = walk.currentNode.textContent.trim();
    const box = element.getBoundingClientRect();
    const style = getComputedStyle(element);
    if (!text || !box.width || style.visibility === 'hidden' || element.closest('.sr')) continue;
    if (element.closest('desc, title, option, script')) continue;
    const isSvg = element instanceof SVGElement;
    const colour = parse(isSvg ? style.fill : style.color);
    const under = ground(isSvg ? element.closest('svg').parentElement : element);
    const [a, b] = [light(over(colour, under)), light(under)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (a + .05) / (b + .05);
    if (ratio < (isLarge ? 3 : 4.5)) bad.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return bad;
})()
"""
# Ids that are used twice or lead nowhere, headings that skip a level, tables without a caption.
MARKUP = """
(() => {
  const bad = [];
  const ids = [...document.querySelectorAll('[id]')].map((it) => it.id);
  ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => bad.push(`twice: ${id}`));
  for (const name of ['aria-labelledby', 'aria-describedby', 'for'])
    for (const it of document.querySelectorAll(`[${name}]`))
      for (const id of it.getAttribute(name).split(' '))
        if (!document.getElementById(id)) bad.push(`${name} leads nowhere: ${id}`);
  let level = 0;
  for (const it of document.querySelectorAll('h1, h2, h3, h4')) {
    const now = Number(it.tagName[1]);
    if (now > level + 1) bad.push(`${it.tagName} after h${level}: ${it.textContent}`);
    level = now;
  }
  if (document.querySelectorAll('h1').length !== 1) bad.push('not one h1');
  for (const it of document.querySelectorAll('main table:not(.answer table)'))
    if (!it.caption) bad.push(`a table without a caption: ${it.textContent.slice(0, 40)}`);
  if (document.querySelector('[style], main script')) bad.push('style or script in the page');
  return bad;
})()
"""
WIDER = "document.documentElement.scrollWidth > window.innerWidth"


def answers(messages: Sequence[Any]) -> str:
    """Fail the task that asks for it, and answer the others with all that prose can hold."""
    if any("impossible" in str(message["content"]) for message in messages):
        return refusing(messages)
    return (
        "It is **six**.\n\n- one `two`\n- three\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\n4\n```"
    )


@pytest.fixture
async def planted(hire: Hire, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """Pages with something of everything."""
    staff: Staff = hire(answers, local=("qwen3:8b", "gemma3:4b", "llama3.2:3b"), cloud=True)
    await staff.ask("What is half a dozen?", on="one", id="answered")
    await staff.ask("What is impossible?", on="two", id="failed")
    await plant(staff.team)
    async with serving(monkeypatch) as served:
        yield served


async def looked_at(tab: Tab) -> list[str]:
    """Return what is wrong with the page that a tab shows, in both themes."""
    found: list[str] = await tab.run(MARKUP)
    found += await tab.unnamed()
    for theme in ("light", "dark"):
        await tab.theme(theme)
        found += [f"{theme}: {one}" for one in await tab.run(CONTRAST)]
    return found


async def test_everybody_can_read_and_use_every_page(planted: Served, browser: Browser) -> None:
    tab = await browser.tab()
    found: dict[str, list[str]] = {}
    for path in PATHS:
        await tab.size(1280, 900)
        await tab.open(planted.address + path)
        found[path] = await looked_at(tab)
        await tab.size(360, 740)
        found[path] += ["wider than a narrow screen"] if await tab.run(WIDER) else []
        size = len((await planted.client.get(path)).content)
        found[path] += [f"{size} bytes"] if size > 200_000 else []
    expected = [one for one in tab.problems if "404" not in one or "/tasks/nobody" not in one]
    bad = {path: problems for path, problems in found.items() if problems}
    assert bad == {} and expected == [], json.dumps([bad, expected], indent=1)


async def test_a_page_keeps_itself_up_to_date_and_leaves_the_focus_alone(
    hire: Hire, monkeypatch: pytest.MonkeyPatch, browser: Browser
) -> None:
    staff = hire()
    async with serving(monkeypatch) as served:
        tab = await browser.tab()
        await tab.open(served.address + "/tasks")
        await tab.until("document.documentElement.dataset.stream === 'open'")
        await tab.run("document.querySelector('#text').focus()")
        await staff.ask("Which number comes after all others?", id="new")
        await tab.until(
            "document.querySelector('#tasks').innerText.includes('forty-two') || "
            "document.querySelector('#tasks').innerText.includes('after all others')"
        )
        assert await tab.run("document.activeElement.id") == "text"
        assert tab.problems == []
