"""The pages as a server shows them, with a team that has models, a browser and a plain client."""

from collections.abc import AsyncIterator

import pytest

from agora.team import Team
from tests.chromium import Browser, browsing
from tests.running import hire
from tests.serving import Served, serving

__all__ = ["hire"]


@pytest.fixture
async def pages(team: Team, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """Serve the pages of a team without models, to everybody on this machine."""
    async with serving(monkeypatch) as served:
        yield served


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with browsing() as browser:
        yield browser
