"""A process that forks promotions and rollbacks and kills them: one JSON order a line.

`after_s` seconds after a move has begun its process is killed; the answer is how it ended, and how
long it took until then.
"""

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import agora.team
from agora.domain.settings import Settings, load
from agora.team import Team

EXPERT = "risk"
ADDED = "Name what would show that you are wrong."


async def move(team: Team, order: dict[str, Any]) -> None:
    """Promote a version, or take the promotion back; what was done before is not done again."""
    if order["do"] == "promote":
        await team.promoting.promote(order["id"], EXPERT, order["version"], "it has won", {})
    elif await team.prompting.production(EXPERT) == order["version"]:
        await team.promoting.rollback(EXPERT, "it has failed")


async def candidate(team: Team) -> int:
    """Keep a second version, and return its number."""
    now = await team.prompting.production(EXPERT)
    text = await team.prompting.text(EXPERT, now)
    return await team.prompting.propose(EXPERT, f"{text}\n{ADDED}", now, "test", "test", {})


async def state(team: Team) -> tuple[dict[str, int], int]:
    """Return the channels, and how many moves were written down."""
    channels = (await team.prompting.channels())[EXPERT]
    _, moves = await team.prompting.history(EXPERT)
    return channels, len([one for one in moves if one["kind"] in ("promoted", "rolled_back")])


async def _run(order: dict[str, Any], ready: int) -> None:
    url, home = order["url"], Path(order["home"])
    team = agora.team.assemble(load({}, **{"database.url": url, "home": home}))
    await team.prompting.refresh()
    os.write(ready, b"!")
    await move(team, order)


def _killed(order: dict[str, Any]) -> tuple[int, float]:
    reading, ready = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        asyncio.run(_run(order, ready))
        os._exit(0)
    os.close(ready)
    os.read(reading, 1)
    begun = time.monotonic()
    select.select([reading], [], [], order["after_s"])
    seconds = time.monotonic() - begun
    os.kill(child, signal.SIGKILL)
    os.close(reading)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), seconds


@dataclass(frozen=True)
class Killer:
    """The two ends of the process that forks and kills."""

    order: dict[str, Any]
    writing: IO[str]
    reading: IO[str]

    def kill(self, **order: Any) -> tuple[int, float]:
        """Begin a move and kill it; return its exit code, and its seconds until then."""
        print(json.dumps(self.order | order), file=self.writing, flush=True)
        status, seconds = json.loads(self.reading.readline())
        return int(status), float(seconds)


@contextmanager
def killer(settings: Settings) -> Iterator[Killer]:
    """Start the process that forks and kills."""
    assert settings.database.url
    order = {"url": settings.database.url.get_secret_value(), "home": str(settings.folder)}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.promoting_crash"],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin and process.stdout
        yield Killer(order, process.stdin, process.stdout)
        process.stdin.close()


async def kill_at(team: Team, killing: Killer, name: str, version: int, shares: list[float]) -> int:
    """Kill a promotion and its rollback at these shares of what they take; return what was torn.

    Torn is a state of the channels that is neither as before nor as after, or a move that is
    written down twice.
    """
    torn = 0
    for do, share in zip(("promote", "rollback"), shares, strict=True):
        before, moves = await state(team)
        order = {"do": do, "id": name, "version": version}
        await asyncio.to_thread(killing.kill, after_s=share, **order)
        left, written = await state(team)
        await move(team, order)
        after, finished = await state(team)
        torn += left not in (before, after) or finished != moves + 1
        torn += written != (moves + 1 if left == after else moves)
    return torn


def main() -> None:
    """Obey orders until the input ends."""
    for line in sys.stdin:
        print(json.dumps(_killed(json.loads(line))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
