from pathlib import Path
from typing import Any

import pytest

from agora.domain.contracts import Json
from agora.team import Team
from nodes.investigating import investigating
from tests.conftest import commit
from tests.improving import BROKEN, FAILING, Workshop, alone, found, thread, workshop


@pytest.fixture
def shop(team: Team, saver: Any, tmp_path: Path) -> Workshop:
    return workshop(team, saver, tmp_path, app=alone("investigating", investigating))


async def test_the_report_names_exception_line_and_failing_test(shop: Workshop) -> None:
    known = await found(shop)
    state = await shop.begin(state=known)
    row = await shop.team.watching.find(known["opportunity"]["id"])
    report = row["evidence"]["report"]
    assert f"{FAILING}: AssertionError: assert 5.5 == 7.5 at test_prices.py:5" in report
    assert state["message"] == report.splitlines()[0] == "1 of 2 tests fail."


async def test_the_report_names_the_inputs_that_a_tool_has_failed_with(shop: Workshop) -> None:
    failure = {"arguments": {"price": 2.5, "count": 0}, "error": "ValueError: none"}
    recorded: Json = {"tool": "prices.total", "executions": 10, "right": 6, "failures": [failure]}
    known = await found(shop, **recorded)
    await shop.begin(state=known)
    report = (await shop.team.watching.find(known["opportunity"]["id"]))["evidence"]["report"]
    assert "documented result in 6 of 10 executions" in report
    assert "prices.total(count=0, price=2.5): ValueError: none" in report


@pytest.mark.needs("bubblewrap")
async def test_tests_are_run_again_where_the_workspace_has_moved(shop: Workshop) -> None:
    known = await found(shop)
    (shop.root / "prices.py").write_text(BROKEN.replace("price + count", "price / 0"))
    moved = commit(shop.root, "worse")
    await shop.begin(state=known)
    evidence = (await shop.team.watching.find(known["opportunity"]["id"]))["evidence"]
    assert evidence["base"] == moved and "2 of 2 tests fail" in evidence["report"]
    assert "ZeroDivisionError" in evidence["report"] and "prices.py:3" in evidence["report"]


async def test_whoever_follows_the_run_hears_the_report(shop: Workshop) -> None:
    given = {"task": shop.order()} | await found(shop)
    heard = [piece async for piece in shop.app.astream(given, thread("one"), stream_mode="custom")]
    assert [piece["kind"] for piece in heard] == ["report"] and FAILING in heard[0]["text"]
