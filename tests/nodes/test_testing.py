from pathlib import Path
from typing import Any

import pytest

from agora.domain.contracts import Approval
from agora.team import Team
from nodes import testing
from tests.conftest import ask
from tests.improving import (
    DIFF,
    FAILING,
    PASSING,
    WRONG_DIFF,
    Workshop,
    alone,
    change_in,
    proposed,
    workshop,
)

SANDBOXED = pytest.mark.needs("bubblewrap")


@pytest.fixture
def shop(team: Team, saver: Any, tmp_path: Path) -> Workshop:
    return workshop(team, saver, tmp_path, app=alone("testing", testing.testing))


@SANDBOXED
async def test_a_change_that_mends_its_tests_goes_to_a_person(shop: Workshop) -> None:
    await shop.begin(state=await proposed(shop, change_in(shop)))
    assert shop.passed == ["testing", "approval"]
    evidence = (await shop.team.changing.find("change"))["evidence"]
    assert evidence["verdict"]["verdict"] == "accept"
    assert evidence["tests"]["failing_before"] == [FAILING]
    assert set(evidence["tests"]["passing_after"]) == {FAILING, PASSING}
    assert shop.is_untouched


@SANDBOXED
async def test_a_change_that_was_approved_goes_straight_on(shop: Workshop) -> None:
    change = change_in(shop)
    state = await proposed(shop, change)
    said = Approval(change_id="change", type="approve", digest=change.digest, by="me")
    await shop.team.changing.answer(said)
    await shop.begin(state=state)
    assert shop.passed == ["testing", "deploying"]


@SANDBOXED
async def test_a_yes_to_other_bytes_is_no_approval(shop: Workshop) -> None:
    state = await proposed(shop, change_in(shop))
    said = Approval(change_id="change", type="approve", digest="0" * 64, by="me")
    await shop.team.changing.answer(said)
    await shop.begin(state=state)
    assert shop.passed == ["testing", "approval"]


@SANDBOXED
async def test_a_change_that_leaves_a_test_failing_is_given_up(shop: Workshop) -> None:
    await shop.begin(state=await proposed(shop, change_in(shop, WRONG_DIFF)))
    assert shop.passed == ["testing", "improving"]
    row = await shop.team.changing.find("change")
    assert row["status"] == "failed" and row["evidence"]["verdict"]["rule"] == "tests"


async def test_a_change_that_the_gate_refuses_is_not_even_run(shop: Workshop) -> None:
    change = change_in(shop, DIFF.replace("prices.py", "test_prices.py"))
    await shop.begin(state=await proposed(shop, change))
    assert shop.passed == ["testing", "improving"]
    assert (await shop.team.changing.find("change"))["evidence"]["verdict"]["verdict"] == "refuse"
    assert await ask(shop.team, "SELECT FROM acts") == []


async def test_a_refused_change_of_a_person_ends_the_run_and_frees_the_opportunity(
    shop: Workshop,
) -> None:
    change = change_in(shop, DIFF.replace("prices.py", "test_prices.py"))
    state = await proposed(shop, change)
    await shop.team.changing.add_evidence("change", {"edited_by": "me"})
    ended = await shop.begin(state=state)
    assert ended["status"] == "refused" and "tests" in ended["message"]
    assert shop.passed == ["testing"]
    row = await shop.team.watching.find(state["opportunity"]["id"])
    assert row["status"] == "open"
