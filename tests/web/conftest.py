"""The pages as a server shows them, with a team that has models, a browser and a plain client."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from agora.app import runs
from agora.team import Team
from tests.chromium import Browser, browsing, chromium
from tests.improving import Workshop, change_in, from_approval, proposed, workshop
from tests.running import hire
from tests.visiting import Served, serving

__all__ = ["hire"]


@pytest.fixture
async def waiting(team: Team, saver: Any, tmp_path: Path) -> Workshop:
    """A workspace in which a proved change waits for a person."""
    shop = workshop(team, saver, tmp_path, app=from_approval())
    await shop.begin(state=await proposed(shop, change_in(shop)))
    async with team.database.transaction() as connection:
        await connection.execute("UPDATE changes SET thread_id = 'one'")
    return shop


@pytest.fixture
async def pages(team: Team, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """Serve the pages of a team without models, to everybody on this machine.

    Improvements begin where a change waits: what comes before is tested elsewhere, and slow.
    """
    monkeypatch.setitem(runs.GRAPHS, "improvement", from_approval())
    async with serving(monkeypatch) as served:
        yield served


@pytest.fixture(scope="session")
def chromium_address() -> Iterator[str]:
    with chromium() as address:
        yield address


@pytest.fixture
async def browser(chromium_address: str) -> AsyncIterator[Browser]:
    """A browser that has seen nothing yet; it starts once for all tests."""
    async with browsing(chromium_address) as browser:
        yield browser
