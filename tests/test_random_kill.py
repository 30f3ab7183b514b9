import random
from pathlib import Path
from typing import Any

from agora.domain.settings import Settings
from agora.team import Team
from tests.crash import graph
from tests.killing import Killer, change_in, finish, is_done_once, is_told_once, killer, state_of

KILLS = 12


async def killed(app: Any, team: Team, killing: Killer, folder: Path, after_s: float) -> float:
    """Kill the deployment of a fresh change, finish it, and return how long it lived."""
    change = change_in(folder)
    status, seconds = killing.kill(folder.name, state_of(change), after_s=after_s)
    assert status in (-9, 0)
    last = await finish(app, team, folder.name, state_of(change))
    assert last.tasks == (), f"killed after {seconds} s"
    assert is_done_once(change.workspace, last.values["commit"]), f"killed after {seconds} s"
    return seconds


async def test_a_change_is_made_once_whenever_its_process_group_is_killed(
    settings: Settings, team: Team, saver: Any, tmp_path: Path
) -> None:
    app: Any = graph.compile(checkpointer=saver)
    with killer(settings) as killing:
        whole_s = await killed(app, team, killing, tmp_path / "unharmed", 60)
        for number in range(KILLS):
            after_s = random.uniform(0, whole_s)
            await killed(app, team, killing, tmp_path / f"random-{number}", after_s)
    assert await is_told_once(team, KILLS + 1)
