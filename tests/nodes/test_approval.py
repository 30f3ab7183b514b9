from pathlib import Path
from typing import Any

import pytest

from agora.team import Team
from nodes.approval import approval, read
from tests.conftest import ask
from tests.improving import (
    APPROVE,
    DIFF,
    OTHER_DIFF,
    Workshop,
    alone,
    change_in,
    decided,
    proposed,
    workshop,
)


@pytest.fixture
async def shop(team: Team, saver: Any, tmp_path: Path) -> Workshop:
    shop = workshop(team, saver, tmp_path, app=alone("approval", approval))
    await shop.begin(state=await proposed(shop, change_in(shop)))
    shop.passed.clear()
    return shop


async def test_a_person_is_shown_the_diff_and_the_report(shop: Workshop) -> None:
    asked = await shop.asked()
    (action,) = asked["action_requests"]
    assert action["args"]["diff"] == DIFF and action["args"]["workspace"] == str(shop.root)
    assert action["description"] == "1 of 2 tests fails"
    assert [row["id"] for row in await shop.team.changing.waiting()] == ["change"]


async def test_yes_leads_to_deploying(shop: Workshop) -> None:
    await shop.say(APPROVE | {"by": "ada"})
    assert shop.passed == ["approval", "deploying"]
    assert (await shop.team.changing.find("change"))["status"] == "approved"
    (said,) = await ask(shop.team, "SELECT type, by, digest FROM approvals")
    assert said == {"type": "approve", "by": "ada", "digest": change_in(shop).digest}


async def test_no_ends_the_run(shop: Workshop) -> None:
    state = await shop.say({"type": "reject", "message": "no"})
    assert state["status"] == "rejected" and shop.passed == ["approval"]
    assert (await shop.team.changing.find("change"))["status"] == "rejected"


async def test_an_edit_leads_to_testing_with_the_new_diff(shop: Workshop) -> None:
    state = await shop.say({"type": "edit", "diff": OTHER_DIFF})
    assert shop.passed == ["approval", "testing"] and state["change_id"] == "changee"
    assert (await shop.team.changing.find("changee"))["diff"] == OTHER_DIFF


async def test_what_is_no_decision_is_told_with_the_next_question(shop: Workshop) -> None:
    await shop.resume("yes!")
    assert "'yes!'" in (await shop.asked())["problem"]
    assert (await shop.team.changing.find("change"))["status"] == "waiting"


async def test_of_two_people_the_first_one_counts(shop: Workshop) -> None:
    await shop.team.changing.say("change", {"type": "reject", "by": "bob"})
    state = await shop.say(APPROVE | {"by": "ada"})
    assert state["status"] == "rejected"
    assert [row["by"] for row in await ask(shop.team, "SELECT by FROM approvals")] == ["bob"]


async def test_a_decision_is_in_the_signed_log(shop: Workshop) -> None:
    await shop.say(APPROVE | {"by": "ada"})
    async with shop.team.database.transaction() as connection:
        assert (await shop.team.acting.decisions.verify(connection)).first_bad is None
    bodies = [row["body"] for row in await ask(shop.team, "SELECT body FROM decisions")]
    (said,) = [body for body in map(_plain, bodies) if body["action"] == "approve_change"]
    assert said["verdict"] == "approve" and said["actor"] == "ada"


def _plain(body: Any) -> dict[str, Any]:
    import json

    return dict(json.loads(body) if isinstance(body, str) else body)


@pytest.mark.parametrize("kind", ["approve", "edit", "reject"])
def test_each_of_three_words_is_a_decision(kind: str) -> None:
    assert read(decided({"type": kind})) == {"type": kind}


@pytest.mark.parametrize("answer", ["approve", None, [], {"decisions": [{"type": "yes"}]}])
def test_nothing_else_is_one(answer: Any) -> None:
    assert read(answer) is None
