"""Killing runs that deploy a change, and finishing what they have left behind."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from agora.app.takeover import take_over
from agora.domain.contracts import Change, Json
from agora.domain.settings import Settings
from agora.team import Team
from tests.conftest import ask, repository, sh

ROOT = Path(__file__).parent.parent
BROKEN, MENDED = "def add(a, b):\n    return a - b\n", "def add(a, b):\n    return a + b\n"
DIFF = """--- a/tool.py
+++ b/tool.py
@@ -1,2 +1,2 @@
 def add(a, b):
-    return a - b
+    return a + b
"""
EXPIRE = "UPDATE claims SET expires_at = '2000-01-01' WHERE thread_id = %s RETURNING 1"


@dataclass(frozen=True)
class Killer:
    """A process that runs changes and kills them; what it needs for an order, and its two ends."""

    order: Json
    writing: IO[str]
    reading: IO[str]

    def kill(self, thread: str, state: Json, **when: float) -> tuple[int, float]:
        """Run a change until it is killed; return its status, and its seconds since the yes."""
        wanted = self.order | {"thread": thread, "state": state} | when
        print(json.dumps(wanted), file=self.writing, flush=True)
        status, seconds = json.loads(self.reading.readline())
        return status, seconds


@contextmanager
def killer(settings: Settings) -> Iterator[Killer]:
    """Start the process that forks and kills runs."""
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
        yield Killer(order, zygote.stdin, zygote.stdout)
        zygote.stdin.close()


def change_in(folder: Path) -> Change:
    """Make a workspace and return a change that is wanted there."""
    workspace = repository(folder, {"tool.py": BROKEN, "notes.txt": "mine\n"})
    return Change(
        id=folder.name,
        subject="tool.py",
        workspace=str(workspace),
        base=sh(workspace, "git", "rev-parse", "HEAD"),
        diff=DIFF,
        at="2026-01-01T00:00:00Z",
    )


def state_of(change: Change) -> Json:
    """Return what a run of this change is given."""
    return {"task": {"id": f"case-{change.id}", "change": change.as_json()}}


async def finish(app: Any, team: Team, thread: str, state: Json) -> Any:
    """Do what a worker does, and what the person does when the approval still waits."""
    config: RunnableConfig = {"configurable": {"thread_id": thread}}
    await _pass_time(team, thread, state)
    await take_over({"improvement": app}, thread)
    now = await app.aget_state(config)
    if now.created_at is None:  # not even announced: whoever asked got no answer, and asks again
        await app.ainvoke(state, config, durability="sync")
        now = await app.aget_state(config)
    if now.tasks:
        assert now.interrupts, f"left at {now.next} and not taken over"
        yes: Command[str] = Command(resume={"decisions": [{"type": "approve"}]})
        await app.ainvoke(yes, config, durability="sync")
    await _pass_time(team, thread, state)
    await take_over({"improvement": app}, thread)
    return await app.aget_state(config)


async def _pass_time(team: Team, thread: str, state: Json) -> None:
    """Let more time pass than any lease lasts, and any git command of ours."""
    await ask(team, EXPIRE, thread)
    for lock in Path(state["task"]["change"]["workspace"], ".git").rglob("*.lock"):
        os.utime(lock, (0, 0))


def is_done_once(workspace: Path | str, commit: str) -> bool:
    """Return whether the workspace is as if nobody had been killed."""
    told = sh(workspace, "git", "status", "--porcelain=v2", "--branch").splitlines()
    commits = sh(workspace, "git", "rev-list", "HEAD").split()
    is_clean = all(line.startswith("# ") for line in told)
    is_whole = Path(workspace, "tool.py").read_text("utf-8") == MENDED
    locks = list(Path(workspace, ".git").rglob("*.lock"))
    return len(commits) == 2 and commits[0] == commit and is_clean and is_whole and not locks


async def is_told_once(team: Team, changes: int) -> bool:
    """Return whether the ledger, the stream and the signed log know of each change, once."""
    acts = await ask(team, "SELECT status FROM acts WHERE kind = 'commit'")
    told = await ask(team, "SELECT body->>'change' AS id FROM events WHERE kind = 'change.applied'")
    async with team.database.transaction() as connection:
        is_valid = (await team.acting.decisions.verify(connection)).first_bad is None
    is_settled = len(acts) == changes and {act["status"] for act in acts} == {"done"}
    return is_valid and is_settled and len({row["id"] for row in told}) == len(told) == changes
