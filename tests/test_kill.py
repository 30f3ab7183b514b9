from pathlib import Path
from typing import Any

from agora.domain.settings import Settings
from agora.team import Team
from tests.conftest import ask
from tests.crash import graph
from tests.killing import change_in, finish, is_done_once, is_told_once, killer, state_of


async def test_a_change_is_made_once_wherever_its_run_is_killed(
    settings: Settings, team: Team, saver: Any, tmp_path: Path
) -> None:
    app: Any = graph.compile(checkpointer=saver)
    step, died = 0, -9
    with killer(settings) as killing:
        while died == -9:
            step += 1
            change = change_in(tmp_path / f"change-{step}")
            state = state_of(change)
            died, _ = killing.kill(f"kill-{step}", state, kill_at=step)
            assert died in (-9, 0)
            last = await finish(app, team, f"kill-{step}", state)
            assert last.tasks == (), f"killed at step {step}"
            assert is_done_once(change.workspace, last.values["commit"]), f"killed at step {step}"
    assert step > 30
    assert await ask(team, "SELECT FROM claims") == []
    assert await is_told_once(team, step)
