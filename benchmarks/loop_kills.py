"""kill -9 of whole improvement cycles at random instants, and what is left behind: for loop.py."""

import asyncio
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import agora.team  # noqa: E402
from agora.app import runs  # noqa: E402
from agora.app.loops import cycle  # noqa: E402
from agora.domain import git  # noqa: E402
from agora.domain.contracts import Improvement, Json  # noqa: E402
from agora.domain.settings import load  # noqa: E402
from agora.team import Team, assemble  # noqa: E402
from memory.database import EmbeddedPostgres  # noqa: E402

ROOT = Path(__file__).parents[1]
BROKEN = '''def total(price: float, count: int) -> float:
    """Return what `count` pieces cost."""
    return price + count
'''
MENDED = BROKEN.replace("price + count", "price * count")
TESTS = "from prices import total\n\n\ndef test_three():\n    assert total(2.5, 3) == 7.5\n"
FILES = {"prices.py": BROKEN, "test_prices.py": TESTS}
CYCLES = 6
"""So many cycles after the kill the workspace must be mended."""
UNFLUSHED = "&options=-c%20synchronous_commit%3Doff"
"""Of a database that does not wait for the disk: clients are killed here, never the server."""
EXPIRE = "UPDATE claims SET expires_at = '2000-01-01'"


def _team(order: Json) -> Team:
    stated = {"database.url": order["url"], "home": Path(order["home"]), "repair.probes": 0}
    stated |= {"repair.candidates": 96}  # the fix is among the first; what follows costs time only
    return assemble(load({}, **stated))


async def improve(order: Json) -> None:
    """Do a cycle over the order's workspace and say yes to what it proposes."""
    team = _team(order)
    agora.team.current = lambda: team
    async with runs.opened() as running:
        wanted = Improvement(workspace=order["workspace"], timeout_s=20)
        row = await team.looping.start(wanted)
        await cycle(running, row["id"], asked=True)
        await agree(team, running, order["workspace"])


async def agree(team: Team, running: Any, workspace: str) -> None:
    """Say yes to what waits in a workspace."""
    for row in await team.changing.waiting():
        if row["workspace"] == workspace:
            decision = {"type": "approve", "by": "person", "digest": row["digest"]}
            await team.changing.say(row["id"], decision)
            await running.answer("improvement", decision, row["thread_id"], lambda piece: None)


def serve() -> None:
    """Fork a cycle for each order that is read, and kill its process group when it is due."""
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # stdout is for the answers
            asyncio.run(improve(order))
            os._exit(0)
        os.close(writing)
        began = time.monotonic()
        select.select([reading], [], [], order["after_s"])
        seconds = time.monotonic() - began
        os.killpg(child, signal.SIGKILL)
        os.close(reading)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps([status, seconds]), flush=True)


@dataclass(frozen=True)
class Killer:
    """A process that runs cycles and kills them."""

    writing: IO[str]
    reading: IO[str]

    def kill(self, order: Json, after_s: float) -> tuple[int, float]:
        """Run a cycle for so long; return how it ended, and how long it lived."""
        print(json.dumps(order | {"after_s": after_s}), file=self.writing, flush=True)
        status, seconds = json.loads(self.reading.readline())
        return status, seconds


@contextmanager
def killer() -> Iterator[Killer]:
    """Start the process that forks and kills."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.loop_kills"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as zygote:
        assert zygote.stdin and zygote.stdout
        yield Killer(zygote.stdin, zygote.stdout)
        zygote.stdin.close()


async def survives(team: Team, running: Any, killing: Killer, order: Json, after_s: float) -> Json:
    """Kill a cycle, look at what is left, go on; return what was seen."""
    root = Path(order["workspace"])
    root.mkdir(parents=True)
    root.parent.chmod(0o711)
    await team.changing.commit_files(str(root), FILES, "Begin")
    status, seconds = await asyncio.to_thread(killing.kill, order, after_s)
    told: Json = {"status": status, "seconds": seconds, "left": left_behind(root)}
    row = await team.looping.start(Improvement(workspace=str(root), timeout_s=20))
    told["cycles"] = 0
    while told["cycles"] == 0 or (ended(root) and told["cycles"] < CYCLES):
        await pass_time(team, root)
        await cycle(running, row["id"], asked=True)
        await agree(team, running, str(root))
        told["cycles"] += 1
    return told | {"end": ended(root)}


def left_behind(root: Path) -> str:
    """Return what is wrong with a repository that a killed cycle has left; "" where it is valid."""
    if (root / "prices.py").read_text("utf-8") not in (BROKEN, MENDED):
        return "a file is half written"
    if git.read(root, "show", "HEAD:prices.py") + "\n" not in (BROKEN, MENDED):
        return "a commit is half made"
    try:
        git.read(root, "fsck", "--strict", "--no-dangling")
    except git.GitError as error:
        return str(error)
    return ""


def ended(root: Path) -> str:
    """Return what is wrong with a workspace after the cycle has gone on; "" where it is as if
    nobody had been killed."""
    commits = git.read(root, "rev-list", "HEAD").split()
    if (root / "prices.py").read_text("utf-8") != MENDED or len(commits) != 2:
        return f"not mended once: {len(commits)} commits"
    if said := git.read(root, "status", "--porcelain"):
        return f"not clean: {said}"
    return left_behind(root)


async def pass_time(team: Team, root: Path) -> None:
    """Let more time pass than any lease lasts, and any git command of ours."""
    async with team.database.transaction() as connection:
        await connection.execute(EXPIRE)
    for lock in (root / ".git").rglob("*.lock"):
        os.utime(lock, (0, 0))


async def measure(kills: int, seed: int) -> Json:
    """Kill so many cycles at random instants; return how many have left all as it should be."""
    with tempfile.TemporaryDirectory(prefix="kills-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        postgres = EmbeddedPostgres(folder / "postgres")
        order = {"url": f"{await postgres.url()}{UNFLUSHED}", "home": str(folder / "home")}
        try:
            return await killed(order, folder, kills, random.Random(seed))
        finally:
            await postgres.stop()


async def killed(order: Json, folder: Path, kills: int, chance: random.Random) -> Json:
    """Do what `measure` says on a database that is there."""
    team, began, seen = _team(order), time.monotonic(), []
    agora.team.current = lambda: team
    async with runs.opened() as running:
        with killer() as killing:
            whole_s = 120.0
            for number in range(kills + 1):  # the first one is left alone, to know how long it is
                after_s = chance.uniform(0, whole_s) if number else whole_s
                here = order | {"workspace": str(folder / f"kill-{number}" / "workspace")}
                told = await survives(team, running, killing, here, after_s)
                whole_s = whole_s if number else told["seconds"]
                seen += [told] if number else []
                wrong = told["left"] or told["end"]
                print(f"{number}: {told['seconds']:.2f} s, {wrong or 'well'}", flush=True)
    well = [one for one in seen if not one["left"] and not one["end"]]
    return {
        "kills": kills,
        "died": sum(one["status"] == -9 for one in seen),
        "survived": len(well),
        "invalid": sum(bool(one["left"]) for one in seen),
        "most_cycles": max(one["cycles"] for one in seen),
        "cycle_s": round(whole_s, 2),
        "seconds": round(time.monotonic() - began, 1),
    }


if __name__ == "__main__":
    serve()
