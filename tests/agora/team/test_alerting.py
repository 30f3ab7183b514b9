import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agora.domain.settings import Settings, load
from agora.team import Team, assemble
from agora.team.alerting import TRIES
from tests.channels import Hook, Mailbox, opened
from tests.conftest import ask

Hire = Callable[..., Team]


class Hands:
    """A clock that stands until somebody moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
async def hire(settings: Settings, clock: Hands) -> AsyncIterator[Hire]:
    async with AsyncExitStack() as stack:

        def hire(**arguments: Any) -> Team:
            stated = {"database.url": settings.database.url, "home": settings.home}
            named = {f"alerts.{name}": value for name, value in arguments.items()}
            team = assemble(load({}, **stated | named), clock)
            stack.push_async_callback(team.database.close)
            return team

        yield hire


async def statuses(team: Team) -> list[tuple[str, int]]:
    rows = await ask(team, "SELECT status, times FROM alerts ORDER BY at, id")
    return [(row["status"], row["times"]) for row in rows]


async def test_an_alert_reaches_the_webhook_in_slacks_format_and_the_mailbox(hire: Hire) -> None:
    async with opened(Hook()) as hook, opened(Mailbox()) as box:
        url = box.url.replace("//", "//ada:pass-word@")
        team = hire(webhook_url=hook.url, smtp_url=url, mail_to=["ada@localhost"])
        text = "total(<2>, 3) & more\nfails"
        assert await team.alerting.alert("failing_tool", "/w:a.py:total", text, "critical")
    (told,) = hook.told
    (attachment,) = told["attachments"]
    assert told["text"].startswith("Agora: [critical] total(&lt;2&gt;, 3) &amp; more fails")
    assert attachment["color"] == "#dc2626" and attachment["text"].startswith("total(&lt;2&gt;")
    assert {one["title"]: one["value"] for one in attachment["fields"]}["kind"] == "failing_tool"
    (letter,) = box.letters
    assert letter["To"] == "ada@localhost" and letter["From"] == "agora@localhost"
    assert letter["Subject"] == "Agora: [critical] total(<2>, 3) & more fails"
    assert "subject: /w:a.py:total" in str(letter.get_payload())
    assert box.users == ["ada"] and await statuses(team) == [("sent", 1)]
    assert [row["kind"] for row in await ask(team, "SELECT kind FROM acts")] == ["send_alert"] * 2


async def test_without_a_channel_the_log_and_the_table_have_it(
    hire: Hire, capsys: pytest.CaptureFixture[str]
) -> None:
    team = hire()
    await team.alerting.alert("reverted", "c1", "change c1 was taken back", "notice")
    assert "change c1 was taken back" in capsys.readouterr().out
    assert await statuses(team) == [("sent", 1)]
    (row,) = await team.alerting.newest(9)
    assert row["text"] == "change c1 was taken back"


async def test_the_same_is_told_once_for_a_while(hire: Hire, clock: Hands) -> None:
    async with opened(Hook()) as hook:
        team = hire(webhook_url=hook.url, repeat_s=600)
        said = await asyncio.gather(*(team.alerting.alert("k", "s", "text") for _ in range(5)))
        assert sorted(said) == [False] * 4 + [True] and len(hook.told) == 1
        assert await team.alerting.alert("k", "another", "text") and len(hook.told) == 2
        clock.pass_(seconds=601)
        assert await team.alerting.alert("k", "s", "text") and len(hook.told) == 3
    assert sorted(await statuses(team)) == [("sent", 1), ("sent", 1), ("sent", 5)]


async def test_a_flood_is_held_back_and_kept(hire: Hire, clock: Hands) -> None:
    async with opened(Hook()) as hook:
        team = hire(webhook_url=hook.url, per_hour=3)
        for number in range(10):
            await team.alerting.alert("k", f"s{number}", "text")
        assert len(hook.told) == 3 and len(await team.alerting.newest(99)) == 10
        clock.pass_(hours=1, seconds=1)
        await team.alerting.alert("k", "later", "text")
        assert len(hook.told) == 4


async def test_what_a_channel_has_not_taken_is_sent_there_later_and_only_there(hire: Hire) -> None:
    async with opened(Hook()) as hook, opened(Mailbox()) as box:
        box.unwell = True
        team = hire(webhook_url=hook.url, smtp_url=box.url, mail_to=["ada@localhost"])
        assert await team.alerting.alert("k", "s", "text")
        assert await statuses(team) == [("waiting", 1)] and len(hook.told) == 1
        box.unwell = False
        assert await team.alerting.deliver() == 1
        assert len(box.letters) == 1 and len(hook.told) == 1
        assert await statuses(team) == [("sent", 1)] and await team.alerting.deliver() == 0


async def test_a_channel_that_stays_dead_is_given_up_and_its_address_is_not_shown(
    hire: Hire, capsys: pytest.CaptureFixture[str]
) -> None:
    async with opened(Hook()) as hook:
        hook.status = 500
        team = hire(webhook_url=hook.url)
        await team.alerting.alert("k", "s", f"see {hook.url}")
        for _ in range(TRIES):
            await team.alerting.deliver()
    assert await statuses(team) == [("failed", 1)]
    (row,) = await team.alerting.newest(9)
    assert row["told"] == {"webhook": "the webhook answered 500"}
    assert "secret-path" not in capsys.readouterr().out + str(row)


async def test_a_password_goes_to_no_other_machine_without_tls(hire: Hire) -> None:
    async with opened(Mailbox()) as box:
        url = f"smtp://ada:pw-pw@[::ffff:127.0.0.1]:{box.port}"
        team = hire(smtp_url=url, mail_to=["ada@localhost"])
        await team.alerting.alert("k", "s", "text")
        assert box.users == [] and box.letters == []
    (row,) = await team.alerting.newest(9)
    assert "TLS" in row["told"]["mail"]
