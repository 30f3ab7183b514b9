import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from agora.app.takeover import take_over
from agora.domain.contracts import Change
from agora.domain.settings import Settings
from agora.team import Team
from tests.conftest import ask, repository, sh
from tests.crash import graph

ROOT = Path(__file__).parent.parent
Kill = Callable[[str, dict[str, Any], int], int]
DIFF = "--- a/tool.py\n+++ b/tool.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n+    return a + b\n"


@pytest.fixture
def kill(settings: Settings) -> Iterator[Kill]:
    """Run a change in another process that dies at the Nth step; its exit status."""
    assert settings.database.url
    order = {"url": settings.database.url.get_secret_value(), "home": str(settings.folder)}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.crash"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as zygote:
        assert zygote.stdin and zygote.stdout
        wire = zygote.stdin, zygote.stdout

        def kill(thread: str, state: dict[str, Any], step: int) -> int:
            wanted = order | {"thread": thread, "state": state, "kill_at": step}
            print(json.dumps(wanted), file=wire[0], flush=True)
            return int(wire[1].readline())

        yield kill
        zygote.stdin.close()


def change_in(folder: Path) -> Change:
    """Make a workspace and return a change that is wanted there."""
    files = {"tool.py": "def add(a, b):\n    return a - b\n", "notes.txt": "mine\n"}
    workspace = repository(folder, files)
    return Change(
        id=folder.name,
        subject="tool.py",
        workspace=str(workspace),
        base=sh(workspace, "git", "rev-parse", "HEAD"),
        diff=DIFF,
        at="2026-01-01T00:00:00Z",
    )


async def expire(team: Team) -> None:
    """Let more time pass than any lease lasts."""
    await ask(team, "UPDATE claims SET expires_at = '2000-01-01' RETURNING 1")


async def finish(app: Any, team: Team, thread: str, state: dict[str, Any]) -> Any:
    """Do what a worker does, and what the person does when the approval still waits."""
    config: RunnableConfig = {"configurable": {"thread_id": thread}}
    await expire(team)
    await take_over({"improvement": app})
    now = await app.aget_state(config)
    if now.created_at is None:  # not even announced: whoever asked got no answer, and asks again
        await app.ainvoke(state, config, durability="sync")
        now = await app.aget_state(config)
    if now.tasks:
        assert now.interrupts, f"left at {now.next} and not taken over"
        yes: Command[str] = Command(resume={"decisions": [{"type": "approve"}]})
        await app.ainvoke(yes, config, durability="sync")
    await expire(team)
    await take_over({"improvement": app})
    return await app.aget_state(config)


async def test_a_change_is_made_once_wherever_its_run_is_killed(
    kill: Kill, team: Team, saver: Any, tmp_path: Path
) -> None:
    app: Any = graph.compile(checkpointer=saver)
    step, died = 0, -9
    while died == -9:
        step += 1
        change = change_in(tmp_path / f"change-{step}")
        state = {"task": {"id": f"case{step}", "change": change.as_json()}}
        died = kill(f"kill-{step}", state, step)
        assert died in (-9, 0)
        last = await finish(app, team, f"kill-{step}", state)

        where = f"killed at step {step}"
        assert last.tasks == (), where
        assert sh(change.workspace, "git", "rev-list", "--count", "HEAD") == "2", where
        assert sh(change.workspace, "git", "rev-parse", "HEAD") == last.values["commit"], where
        assert sh(change.workspace, "git", "status", "--porcelain") == "", where
        assert sh(change.workspace, "cat", "tool.py").endswith("a + b"), where
    assert step > 30

    assert await ask(team, "SELECT FROM claims") == []
    acts = await ask(team, "SELECT status FROM acts WHERE kind = 'commit'")
    assert len(acts) == step and {act["status"] for act in acts} == {"done"}
    told = await ask(team, "SELECT body FROM events WHERE kind = 'change.applied'")
    assert len({row["body"]["change"] for row in told}) == len(told) == step
    async with team.database.transaction() as connection:
        assert (await team.acting.decisions.verify(connection)).first_bad is None
