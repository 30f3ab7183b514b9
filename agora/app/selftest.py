"""The self-test: real tasks through the real graph, in a database and a workspace of their own.

What it measures is what the gates of capabilities ask: see agora/domain/phases.py.
"""

import asyncio
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from agora.domain.contracts import Json
from agora.domain.errors import AgoraError
from agora.domain.phases import CAPABILITIES

ROOT = Path(__file__).parents[2]
TASKS, AT_ONCE, WARM_UP = 20, 12, 3
CORE = (
    "tests/memory/test_claims.py",
    "tests/memory/test_acts.py",
    "tests/memory/test_checkpoints.py",
    "tests/agora/domain/test_auction.py",
    "tests/agora/domain/test_contracts.py",
    "tests/agora/team/test_acting.py",
    "tests/nodes/test_stage.py",
)
"""What holds the core: contracts, auction, execution, checkpoints, claims."""
PATIENCE_S = 1800.0
TEXT = """# A glossary

The {0} of the workshop is kept in drawer number {0}, beside the blue lamp.
"""


class SelfTestFailedError(AgoraError):
    """The self-test itself did not run to its end."""


async def baseline() -> Json:
    """Return what the core does by itself on this machine: p50_ms, rss_mb, at_once."""
    found = await measured(())
    return {name: found[name] for name in ("p50_ms", "rss_mb", "at_once")}


async def measured(capabilities: Sequence[str]) -> Json:
    """Return what tasks take with these capabilities and no others, in a process of its own.

    Fields: answered, asked, p50_ms, rss_mb, growth_mb, at_once, pages (None: there are none).
    """
    command = [sys.executable, "-W", "ignore", "-m", "agora.app.selftest", *capabilities]
    done = await asyncio.to_thread(_run, command, PATIENCE_S)
    if done.returncode:
        said = " ".join(done.stderr.split())[-300:]
        raise SelfTestFailedError(f"the self-test has failed: {said}")
    found: Json = json.loads(done.stdout.strip().splitlines()[-1])
    return found


async def tested(tests: Sequence[str], off: Sequence[str] = ()) -> bool | None:
    """Return whether tests pass with these capabilities switched off; None: there are none here."""
    if not (ROOT / "tests").is_dir():
        return None
    named = {f"AGORA_CAPABILITIES__{name.upper()}": "false" for name in off}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    code: int = (await asyncio.to_thread(_run, command, PATIENCE_S, named)).returncode
    return code == 0


async def _pages(running: Any) -> bool | None:
    """Return whether every page that the navigation names answers; None where there are none."""
    if find_spec("web") is None:
        return None
    import httpx

    web: Any = await asyncio.to_thread(import_module, "web.app")
    frame: Any = import_module("web.frame")
    await web.furnish(running)
    token = import_module("web.access").settings().token
    shown = {"authorization": f"Bearer {token.get_secret_value()}"} if token else {}
    wire = httpx.ASGITransport(app=web.app)
    here = "http://127.0.0.1"
    async with httpx.AsyncClient(transport=wire, base_url=here, headers=shown) as client:
        paths = [path for path, *_ in frame.NAVIGATION]
        codes = [(await client.get(path)).status_code for path in ("/livez", *paths)]
    return all(code == 200 for code in codes)


def _run(command: Sequence[str], seconds: float, env: Json | None = None) -> Any:
    import os

    named = os.environ | {"LANGGRAPH_STRICT_MSGPACK": "true"} | (env or {})
    return subprocess.run(
        command, cwd=ROOT, env=named, capture_output=True, text=True, timeout=seconds, check=False
    )


async def _measure(capabilities: Sequence[str]) -> Json:
    """Do the tasks in this process: the one that `measured` has begun."""
    import psutil

    import agora.team
    from agora.app import runs
    from agora.domain.settings import load
    from memory.database import EmbeddedPostgres

    async with AsyncExitStack() as stack:
        kept = tempfile.TemporaryDirectory(prefix="agora-selftest-", ignore_cleanup_errors=True)
        folder = Path(stack.enter_context(kept))
        postgres = EmbeddedPostgres(folder / "postgres")
        named: Json = {"database.url": await postgres.url(), "home": folder / "home"}
        stack.push_async_callback(postgres.stop)
        named |= {"ollama.host": None, "openai.api_key": None, "redis.url": None}
        named |= {f"capabilities.{one}": one in capabilities for one in CAPABILITIES}
        team = agora.team.assemble(load({}, **named))
        agora.team.current = lambda: team
        running = await stack.enter_async_context(runs.opened())
        workspace = await _workspace(team, folder / "workspace")
        asking = _Asking(running, workspace)
        await asking.some(0, WARM_UP)
        gc.collect()
        before = psutil.Process().memory_info().rss
        await asking.some(WARM_UP, WARM_UP + TASKS)
        at_once = await asking.together(AT_ONCE)
        gc.collect()
        after = psutil.Process().memory_info().rss
        pages = await _pages(running)
    return {
        "asked": TASKS + AT_ONCE,
        "answered": asking.answered - WARM_UP,
        "p50_ms": round(1000 * median(asking.times[WARM_UP : WARM_UP + TASKS]), 2),
        "rss_mb": round(after / 2**20, 1),
        "growth_mb": round((after - before) / 2**20, 1),
        "at_once": at_once,
        "pages": pages,
    }


class _Asking:
    """Questions about a workspace, each of which its documents answer."""

    def __init__(self, running: Any, workspace: Path) -> None:
        self.running, self.workspace = running, workspace
        self.times: list[float] = []
        self.answered = 0

    async def some(self, first: int, last: int) -> None:
        """Ask in turn."""
        for number in range(first, last):
            begun = time.perf_counter()
            await self.one(number)
            self.times.append(time.perf_counter() - begun)

    async def together(self, count: int) -> int:
        """Ask at once; return how many were answered."""
        before = self.answered
        await asyncio.gather(*(self.one(1000 + number) for number in range(count)))
        return self.answered - before

    async def one(self, number: int) -> None:
        """Ask one, and count whether it was answered."""
        text = f"Where is the {number % 40} of the workshop kept?"
        task = {"text": text, "workspace": str(self.workspace), "id": f"selftest-{number}"}
        done = await self.running.start("task", {"task": task}, f"selftest-{number}", _silent)
        self.answered += done["outcome"]["status"] == "answered"


def _silent(told: Any) -> None:
    """Hear nothing."""


async def _workspace(team: Any, place: Path) -> Path:
    from agora.domain import git

    place.mkdir()
    await asyncio.to_thread(git.read, place, "init", "-q", "-b", "main")
    files = {f"{number}.md": TEXT.format(number) for number in range(40)}
    await team.changing.commit_files(str(place), files, "Keep things in drawers")
    return place


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_measure(sys.argv[1:]))) + "\n")
