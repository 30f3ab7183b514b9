"""Takes the pictures of docs/pages.md: `make pictures`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from memory import events
from tests.chromium import Browser
from tests.reading import ROOT
from tests.running import Hire, Staff, refusing, task_in
from tests.visiting import serving
from tests.web.planting import plant

FOLDER = ROOT / "docs" / "pages"
WIDTH = 1120
PICTURES = {
    "overview": ("/", "light", 1010),
    "approval": ("/approvals/planted", "light", 1000),
    "task": ("/tasks/invoice", "dark", 1330),
    "experts": ("/experts", "light", 1060),
}
QUESTIONS = (
    "Which tool reads amounts with a decimal comma?",
    "Write a function that returns the next working day",
    "What changed in the API between the last two releases?",
    "Summarise the open issues of the parser in three sentences",
    "Which of our scripts write outside of their own folder?",
    "Explain why the nightly build became slower",
)
BIDDERS = {"generalist": 0.86, "engineer": 0.93, "researcher": 0.8, "risk": 0.66}
ANSWER = """Two tools read amounts; only `prices.total` takes a decimal comma for a **separator**.

| tool | decimal comma | calls today |
|---|---|---|
| prices.total | no | 20 |
| prices.discount | yes | 20 |

Until it is repaired, `prices.discount` can be used for both."""


def answers(messages: Sequence[Any]) -> str:
    """Fail the first expert that is asked about the invoice."""
    if "invoice" in task_in(messages) and "engineer" not in str(messages[0]["content"]).lower():
        return refusing(messages)
    return ANSWER


async def test_pictures_are_taken(
    hire: Hire, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff = hire(answers, local=("qwen3:8b", "gemma3:4b"), cloud=True)
    for number, question in enumerate(QUESTIONS):
        await staff.ask(question, on=f"q{number}", id=f"q{number}")
    await staff.ask("Which tool misreads the invoice, and what can be used instead?", id="invoice")
    await plant(staff.team)
    await grow_old(staff)
    async with serving(monkeypatch) as served:
        tab = await browser.tab(WIDTH, 900)
        for name, (path, theme, height) in PICTURES.items():
            await tab.theme(theme)
            await tab.open(served.address + path)
            Path(FOLDER).mkdir(exist_ok=True)
            await tab.picture(FOLDER / f"{name}.png", height)


async def grow_old(staff: Staff) -> None:
    """Spread two weeks of tasks and outcomes behind those of today."""
    days = (
        "INSERT INTO tasks (id, thread_id, tenant, body, status, outcome, created_at, ended_at) "
        "SELECT 'old' || day || '-' || n, 'old', 'default', body, "
        "  CASE WHEN (n * 7 + day * 3) % 23 = 0 THEN 'failed' ELSE 'answered' END, outcome, "
        "  now() - make_interval(days => day), now() - make_interval(days => day) "
        "FROM tasks, generate_series(1, 13) AS day, generate_series(1, 40) AS n WHERE id = 'q0'"
    )
    async with staff.team.database.transaction() as connection:
        await connection.execute(days)
        for place, (expert, success) in enumerate(BIDDERS.items()):
            for number in range(60):
                told: Any = {"bidder": f"{expert}@qwen3:8b", "tokens_out": 120, "latency_s": 1.2}
                domain = ("documents", "code", "general", "risk")[(number + place) % 4]
                told |= {"domain": domain, "right": (number * 37) % 100 < 100 * success}
                told |= {"cost_usd": 0.0, "is_probe": False, "at_s": 0.0, "tenant": "default"}
                await events.publish(connection, "old", "outcome.judged", told)
