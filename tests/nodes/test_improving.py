import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from agora.domain.contracts import Json
from agora.team import Team
from nodes.improving import improving
from tests.conftest import ask, commit
from tests.improving import BEFORE, FAILING, Workshop, alone, found, workshop

pytestmark = pytest.mark.needs("bubblewrap")
BLANK: Json = {"attempts": 0, "tried": 0}


@pytest.fixture
def shop(team: Team, saver: Any, tmp_path: Path) -> Workshop:
    return workshop(team, saver, tmp_path, app=alone("improving", improving))


async def test_the_best_patch_is_proposed_with_its_proof_and_its_rivals(shop: Workshop) -> None:
    known = await found(shop)
    state = await shop.begin(state=BLANK | known)
    assert shop.passed == ["improving", "testing"]
    assert state["attempts"] == 1 and state["tried"] > 0
    row = await shop.team.changing.find(state["change_id"])
    assert "+    return price * count" in row["diff"] and row["status"] == "proposed"
    assert row["subject"] == "prices.py" and row["opportunity_id"] == known["opportunity"]["id"]
    assert row["base"] == shop.commits[0] and row["evidence"]["target"]["failures"]
    assert shop.is_untouched


async def test_a_repeated_node_proposes_the_same_change_without_a_second_search(
    shop: Workshop,
) -> None:
    known = await found(shop)
    first = await shop.begin("one", state=BLANK | known, id="case")
    again = await shop.begin("two", state=BLANK | known, id="case")
    assert again["change_id"] == first["change_id"] and again["tried"] == first["tried"]
    assert len(await ask(shop.team, "SELECT FROM changes")) == 1
    (search,) = await ask(shop.team, "SELECT attempt FROM acts WHERE actor = 'repairer'")
    assert search["attempt"] == 1


async def test_nothing_found_closes_the_opportunity_and_says_how_much_was_tried(
    shop: Workshop,
) -> None:
    (shop.root / "test_prices.py").write_text(
        "from prices import total\n\n\ndef test_three_pieces():\n    assert total(1, 1) == 'x'\n"
    )
    known = await found(shop)
    lone = BEFORE.model_dump() | {"outcomes": {FAILING: "failed"}, "durations": {FAILING: 0.01}}
    await shop.team.watching.add_evidence(known["opportunity"]["id"], {"before": lone})
    commit(shop.root, "an odd test")
    state = await shop.begin(state=BLANK | known, timeout_s=1.5)
    assert state["status"] == "not_found" and shop.passed == ["improving"]
    assert state["message"] == f"none of {state['tried']} candidates passes all tests"
    row = await shop.team.watching.find(known["opportunity"]["id"])
    assert row["status"] == "closed"


async def test_a_search_whose_sandbox_is_killed_begins_again(shop: Workshop) -> None:
    known = await found(shop)
    killed: list[int] = []

    async def kill_one() -> None:
        while not killed:
            for child in psutil.Process().children():
                with suppress(psutil.NoSuchProcess):
                    if child.name() == "bwrap":
                        child.kill()
                        killed.append(child.pid)
                        return
            await asyncio.sleep(0.01)

    killing = asyncio.create_task(kill_one())
    state = await shop.begin(state=BLANK | known)
    await killing
    assert killed and shop.passed == ["improving", "testing"]
    row = await shop.team.changing.find(state["change_id"])
    assert "+    return price * count" in row["diff"]


async def test_where_the_gate_has_refused_what_passes_its_reason_is_told(shop: Workshop) -> None:
    known = await found(shop)
    first = await shop.begin("one", state=BLANK | known, id="case")
    await shop.team.changing.give_up(first["change_id"], "slower: the tests take longer")
    again = await shop.begin("two", state=known | {"attempts": 3, "tried": 170}, id="more")
    assert again["message"].endswith("the gate refuses the best: slower: the tests take longer")


async def test_a_tool_that_no_test_shows_to_fail_is_not_guessed_at(shop: Workshop) -> None:
    known = await found(shop)
    passing = BEFORE.model_dump() | {"outcomes": {FAILING: "passed"}, "failures": {}}
    await shop.team.watching.add_evidence(known["opportunity"]["id"], {"before": passing})
    state = await shop.begin(state=BLANK | known)
    assert state["status"] == "not_found" and "no test shows it" in state["message"]
