import random
from pathlib import Path

import pytest

import agora.team
from agora.domain.settings import Settings
from benchmarks.loop_kills import killed

KILLS = 10


@pytest.mark.needs("bubblewrap")
@pytest.mark.timeout(1200)
async def test_a_cycle_that_is_killed_anywhere_leaves_all_valid_and_the_next_one_goes_on(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is measured puts its own team in the place of all others: afterwards it is as before.
    monkeypatch.setattr(agora.team, "current", agora.team.current)
    assert settings.database.url
    order = {"url": settings.database.url.get_secret_value(), "home": str(settings.folder)}
    told = await killed(order, tmp_path, KILLS, random.Random())
    assert told["survived"] == KILLS and told["invalid"] == 0
