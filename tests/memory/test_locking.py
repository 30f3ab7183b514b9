"""Statements that lock many rows do it in one order, wherever those lie in their table."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agora.domain.budgets import Budget
from agora.domain.contracts import Act, ActOutcome, AgentOutcome, Case
from agora.domain.feeds import Item
from agora.domain.health import Check
from agora.domain.tools import Tool
from agora.team import Team
from memory import acts, answers, beats, claims, news, tools
from memory.answers import Asked
from memory.claims import Claim
from memory.database import Rows
from tests.locking import Work, locked_early

NAMES = ["a", "b", "c"]
NOW = datetime.now(UTC)
LONG_AGO, NOTHING = -timedelta(days=1), timedelta(0)
HERE = Case("case", "thread", "stage", None)
PAID = Act(kind="ask_model", subject="m", actor="e@m", cost_usd=0.5, budgets=("c", "a", "b"))


async def known(connection: Rows) -> None:
    """Write down three of everything; what can be over is."""
    await acts.open_budgets(connection, [Budget(name=name, cap_usd=9.0) for name in NAMES])
    await acts.reserve(connection, PAID)
    await acts.begin(connection, HERE, PAID)
    done = AgentOutcome(status="answered", answer="7")
    for name in NAMES:
        asked = Asked("default", name, name, name, name, "news")
        await answers.keep(connection, asked, done, "task", LONG_AGO)
        wanted = Claim(name, "stage", "me", "", timedelta(seconds=30))
        token = await claims.claim(connection, wanted, name, {})
        await claims.leave(connection, name, token or 0)
        await tools.put(connection, "here", tool(name), name, "", NOW)
    await beats.beat(connection, looked_at(NAMES), NOW, NOTHING)
    await news.store(connection, items(NAMES))


def tool(name: str) -> Tool:
    place: Any = {"path": "t.py", "function": name, "line": 1}
    return Tool(name=name, kind="function", description=name, parameters={}, **place)


def looked_at(names: list[str]) -> list[Check]:
    return [Check(name, "pass", "") for name in names]


def items(names: list[str]) -> list[Item]:
    return [
        Item(feed="f", title=one, link=f"https://f/{one}", summary="", published_at=NOW)
        for one in names
    ]


async def settled(connection: Rows) -> None:
    await acts.settle(connection, PAID.key(HERE), ActOutcome(result={}, cost_usd=0.1))


WORKS: dict[str, tuple[str, Any, Work]] = {
    "an act is settled": ("budgets name cap_usd", "a", settled),
    "answers expire": ("answers id hits", 1, answers.expire),
    "answers are forgotten": ("answers id hits", 1, lambda at: answers.forget(at, None)),
    "answers are rejected": ("answers id hits", 1, lambda at: answers.reject(at, "task")),
    "parts are looked at": (
        "beats name said",
        "a",
        lambda at: beats.beat(at, looked_at(NAMES[::-1]), NOW, NOTHING),
    ),
    "all ages are counted anew": ("beats name said", "a", lambda at: beats.touch(at, NOW)),
    "parts are forgotten": ("beats name said", "a", lambda at: beats.forget(at, NAMES)),
    "runs are handed over": (
        "claims thread_id stage",
        "a",
        lambda at: claims.hand_over(at, NAMES),
    ),
    "news expire": ("news link title", "https://f/a", lambda at: news.expire(at, LONG_AGO)),
    "tools are put away": (
        "tools name path",
        "a",
        lambda at: tools.archive(at, "here", NAMES, NOW),
    ),
}


@pytest.mark.parametrize("one", WORKS)
async def test_rows_are_locked_in_order(team: Team, one: str) -> None:
    place, first, work = WORKS[one]
    async with team.database.transaction() as connection:
        await known(connection)
    assert await locked_early(team, place, first, work) == []


async def test_two_feeds_with_the_same_news_do_not_wait_for_each_other(team: Team) -> None:
    links = [str(number) for number in range(50)]

    async def read(names: list[str]) -> int:
        async with team.database.transaction() as connection:
            return await news.store(connection, items(names))

    new = await asyncio.gather(read(links), read(links[::-1]))
    assert sum(new) == len(links)
