"""What nobody uses, or is there twice, waits for a person: nothing is tidied by itself."""

from pathlib import Path
from typing import Any

import pytest

from agora.domain.contracts import Json, Opportunity
from agora.team import Team
from tests.improving import APPROVE, FILES, MENDED, Workshop, workshop

TOTAL = (
    MENDED
    + '''

def cost(price: float, count: int) -> float:
    """Return the price of so many pieces."""
    return count * price
'''
)


async def opened(team: Team, shop: Workshop, kind: str, **evidence: Any) -> None:
    place: Json = {"workspace": str(shop.root), "path": "prices.py", "tool": "prices.cost"}
    subject = f"{shop.root}:prices.py:prices.cost"
    given = {"id": "", "kind": kind, "subject": subject, "evidence": place | evidence}
    await team.watching.open_one(Opportunity.model_validate(given))


@pytest.mark.needs("bubblewrap")
async def test_a_double_and_then_an_unused_tool_wait_for_a_yes(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = workshop(team, saver, tmp_path, FILES | {"prices.py": TOTAL})
    twice = {"same_as": "prices.total", "same_path": "prices.py", "fault": "they do the same"}
    await opened(team, shop, "duplicate_tool", **twice)
    await shop.begin(kinds=("duplicate_tool",))
    assert shop.is_untouched
    assert (await shop.say(APPROVE))["status"] == "fixed"
    assert "return total(price, count)" in shop.read()

    await opened(team, shop, "unused_tool", because="unused")
    await shop.begin("two", kinds=("unused_tool",))
    await shop.say({"type": "reject", "message": "it will be used"}, "two")
    assert "def cost" in shop.read() and len(shop.commits) == 2
