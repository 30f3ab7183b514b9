import asyncio
from datetime import timedelta

import pytest

from agora.domain.errors import ClaimHeldError
from agora.domain.settings import Settings
from agora.team import Team, assemble, current
from tests.conftest import ask
from tests.running import Hire


def test_each_event_loop_has_a_team_of_its_own() -> None:
    async def twice() -> tuple[Team, bool]:
        return current(), current() is current()

    (first, is_same), (second, _) = asyncio.run(twice()), asyncio.run(twice())
    assert is_same and first is not second


def test_assembling_opens_nothing(settings: Settings) -> None:
    team = assemble(settings)
    assert team.database._pool is None and not settings.folder.exists()
    assert team.changing.acting is team.tooling.acting is team.acting


async def test_a_run_is_announced_unless_another_is_at_it(hire: Hire) -> None:
    staff = hire()
    holding, lease = staff.team.holding, timedelta(seconds=30)
    await holding.announce("one", "intake", {"task": {"text": "x"}}, lease)
    await ask(staff.team, "UPDATE claims SET is_open = false RETURNING 1")
    with pytest.raises(ClaimHeldError, match="another run works on thread one"):
        await holding.announce("one", "intake", {}, lease)
