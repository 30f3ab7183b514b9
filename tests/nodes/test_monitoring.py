from pathlib import Path
from typing import Any

import pytest

from agora.domain.contracts import Approval, Json, Opportunity
from agora.team import Team
from agora.team.acting import standing_alone
from nodes.monitoring import monitoring
from tests.conftest import ask, commit
from tests.improving import BROKEN, MENDED, Workshop, alone, change_in, proposed, workshop


@pytest.fixture
def shop(team: Team, saver: Any, tmp_path: Path) -> Workshop:
    return workshop(team, saver, tmp_path, app=alone("monitoring", monitoring))


async def alarm(shop: Workshop) -> Json:
    """Deploy a change and raise an alarm about it; return the state that monitoring finds."""
    change = change_in(shop)
    await proposed(shop, change)
    said = Approval(change_id="change", type="approve", digest=change.digest, by="me")
    await shop.team.changing.answer(said)
    await ask(shop.team, "UPDATE changes SET status = 'approved' RETURNING 1")
    with standing_alone("case", "deploying"):
        await shop.team.changing.deploy("change")
    subject, watching = f"{shop.root}:change", shop.team.watching
    found = Opportunity(id="", kind="alarm", subject=subject, evidence={"change": "change"})
    await watching.open_one(found)
    claimed = await watching.claim("one", ["alarm"], subject)
    assert claimed
    return {"opportunity": claimed.model_dump(include={"id", "kind", "subject", "priority"})}


async def test_the_change_is_taken_back_and_its_alarm_closed(shop: Workshop) -> None:
    given = await alarm(shop)
    assert shop.read() == MENDED
    state = await shop.begin(state=given)
    assert state["status"] == "reverted" and state["commit"] == shop.commits[0]
    assert shop.read() == BROKEN and len(shop.commits) == 3 and not shop.litter
    assert (await shop.team.changing.find("change"))["status"] == "reverted"
    assert (await shop.team.watching.find(given["opportunity"]["id"]))["status"] == "closed"
    assert "change" not in (await shop.team.watching.records())["watches"]


async def test_what_came_after_the_change_stays(shop: Workshop) -> None:
    given = await alarm(shop)
    (shop.root / "notes.txt").write_text("later\n")
    later = commit(shop.root, "later")
    await shop.begin(state=given)
    assert shop.read() == BROKEN and shop.read("notes.txt") == "later\n"
    assert shop.commits[1] == later


async def test_a_repeated_node_reverts_once(shop: Workshop) -> None:
    given = await alarm(shop)
    first = await shop.begin("one", state=given, id="watch")
    again = await shop.begin("one", state=given, id="watch")
    assert first["commit"] == again["commit"] and len(shop.commits) == 3
