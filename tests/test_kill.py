import asyncio
from pathlib import Path
from typing import Any

import pytest

from agora.domain.settings import Settings
from agora.team import Team
from tests.conftest import ask
from tests.crash import graph
from tests.killing import change_in, finish, is_done_once, is_told_once, killer, state_of

AT_ONCE = 2


@pytest.fixture
def url(url: str) -> str:
    """Return a database that does not wait for the disk: runs are killed here, not the server."""
    return f"{url}&options=-c%20synchronous_commit%3Doff"


async def killed_at(steps: range, settings: Settings, team: Team, app: Any, folder: Path) -> int:
    """Kill a fresh change at each of these steps until one is past the end; return how many."""
    with killer(settings) as killing:
        for count, step in enumerate(steps, 1):
            change = change_in(folder / f"change-{step}")
            thread, state = f"kill-{step}", state_of(change)
            died, _ = await asyncio.to_thread(killing.kill, thread, state, kill_at=step)
            last = await finish(app, team, thread, state)
            assert last.tasks == (), f"killed at step {step}"
            assert is_done_once(change.workspace, last.values["commit"]), f"killed at step {step}"
            if died == 0:
                return count
            assert died == -9
    raise AssertionError(f"more steps than {steps}")


@pytest.mark.timeout(1200)
async def test_a_change_is_made_once_wherever_its_run_is_killed(
    settings: Settings, team: Team, saver: Any, tmp_path: Path
) -> None:
    app: Any = graph.compile(checkpointer=saver)
    shares = [range(first, 500, AT_ONCE) for first in range(1, AT_ONCE + 1)]
    counts = await asyncio.gather(
        *(killed_at(share, settings, team, app, tmp_path) for share in shares)
    )
    assert sum(counts) > 100
    assert await ask(team, "SELECT FROM claims") == []
    assert await is_told_once(team, sum(counts))
