import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import agora.team
from agora.app import jobs, runs
from agora.app.loops import cycle, start_loop
from agora.domain.contracts import Improvement, Json
from agora.domain.errors import DirtyWorkspaceError, UsageError
from agora.domain.settings import Settings
from agora.team import Team, assemble
from tests.conftest import ask, commit, repository, sh
from tests.improving import BROKEN, FILES, MENDED

SANDBOXED = pytest.mark.needs("bubblewrap")
GREEN = FILES | {"prices.py": MENDED}
STATS = {
    "cycles_completed",
    "opportunities_detected",
    "improvements_attempted",
    "improvements_deployed",
    "improvements_failed",
    "tools_analyzed",
    "maintenance_runs",
    "running",
    "cycle_count",
    "last_check",
    "last_maintenance",
    "uptime_seconds",
    "seconds_per_cycle",
    "opportunities_per_cycle",
    "deployments_per_day",
}


@dataclass
class Keeper:
    """A workspace, the loop that looks after it, and a clock that stands still."""

    root: Path
    now: datetime = field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    team: Any = None
    runs: Any = None
    loop_id: str = ""

    def __call__(self) -> datetime:
        return self.now

    async def begin(self, preset: str = "default", **order: Any) -> None:
        wanted = Improvement(workspace=str(self.root), timeout_s=20, **order)
        self.loop_id = (await self.team.looping.start(wanted, preset))["id"]

    async def cycle(self, **passed: float) -> Json | None:
        self.now += timedelta(**passed)
        return await cycle(self.runs, self.loop_id)

    async def use(
        self, *outcomes: bool, tool: str = "total", latency_s: float | None = None
    ) -> None:
        call: Json = {"workspace": str(self.root), "path": "prices.py", "tool": f"prices.{tool}"}
        call |= {"arguments": {"price": 1, "count": 0}, "latency_s": latency_s}
        for right in outcomes:
            told = {"is_right": right, "error": None}
            good = call | {"result": 0} if latency_s else None
            await self.team.watching.judge(call | told, "use", good=good)

    async def say(self, change_id: str, word: str) -> Json:
        row = await self.team.changing.find(change_id)
        decision = {"type": word, "by": "ada", "digest": row["digest"]}
        return dict(
            await self.runs.answer("improvement", decision, row["thread_id"], lambda piece: None)
        )

    async def stats(self) -> Json:
        return dict(await self.team.looping.stats(await self.team.looping.by_id(self.loop_id)))

    async def alerts(self) -> list[str]:
        return [row["kind"] for row in await ask(self.team, "SELECT kind FROM alerts ORDER BY at")]


Keep = Callable[..., Any]


@pytest.fixture
async def keep(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Keep]:
    opened = []

    async def keep(files: dict[str, str], **limits: float) -> Keeper:
        keeper = Keeper(repository(tmp_path / "workspace", files))
        sandbox = settings.sandbox.model_copy(update=limits)
        keeper.team = assemble(settings.model_copy(update={"sandbox": sandbox}), keeper)
        monkeypatch.setattr(agora.team, "current", lambda: keeper.team)
        entering = runs.opened()
        keeper.runs = await entering.__aenter__()
        opened.append(entering)
        return keeper

    yield keep
    for entered in opened:
        await entered.__aexit__(None, None, None)


@SANDBOXED
async def test_a_failing_test_is_repaired_once_a_person_agrees_and_then_all_is_well(
    keep: Keep,
) -> None:
    keeper = await keep(FILES)
    await keeper.begin()
    told = await keeper.cycle()
    (run,) = told["runs"]
    assert run["status"] == "waiting" and await keeper.alerts() == ["approval"]
    assert await keeper.cycle() is None, "it is not due"
    again = await keeper.cycle(seconds=300)
    assert again["runs"] == [], "it waits for the person, and is not begun twice"
    assert (await keeper.say(run["change_id"], "approve"))["status"] == "fixed"
    assert (keeper.root / "prices.py").read_text() == MENDED
    assert (await keeper.cycle(hours=2))["runs"] == []
    stats = await keeper.stats()
    assert set(stats) >= STATS and stats["running"] is True
    assert stats["cycle_count"] == stats["cycles_completed"] == 3
    assert stats["opportunities_detected"] == stats["improvements_attempted"] == 1
    assert stats["improvements_deployed"] == 1 and stats["improvements_failed"] == 0
    assert stats["maintenance_runs"] == 1 and stats["last_maintenance"] == datetime(
        2026, 1, 1, tzinfo=UTC
    )
    assert stats["uptime_seconds"] == 7500 and stats["deployments_per_day"] == 11.52


@SANDBOXED
async def test_what_cannot_be_repaired_is_told_once_and_tried_again_when_a_test_shows_it(
    keep: Keep,
) -> None:
    keeper = await keep(GREEN | {"prices.py": BROKEN, "test_prices.py": "def test(): pass\n"})
    await keeper.begin()
    await keeper.use(*[True] * 5, *[False] * 5)
    told = await keeper.cycle()
    assert [run["status"] for run in told["runs"]] == ["not_found"]
    for _ in range(2):
        assert (await keeper.cycle(minutes=5))["runs"] == []
    assert await keeper.alerts() == ["not_found"]
    stats = await keeper.stats()
    assert stats["improvements_attempted"] == stats["improvements_failed"] == 1
    (keeper.root / "test_prices.py").write_text(FILES["test_prices.py"])
    commit(keeper.root, "show it")
    (run,) = (await keeper.cycle(minutes=5))["runs"]
    assert run["status"] == "waiting" and run["opportunity"]["kind"] == "failing_tool"


@SANDBOXED
async def test_a_slow_tool_that_nothing_makes_faster_is_told_once_and_not_tried_again(
    keep: Keep,
) -> None:
    keeper = await keep(GREEN)
    await keeper.begin()
    await keeper.use(*[True] * 10, latency_s=3.0)
    (run,) = (await keeper.cycle())["runs"]
    assert run["status"] == "not_found" and run["opportunity"]["kind"] == "slow_tool"
    await keeper.use(True, latency_s=3.0)
    for _ in range(2):
        assert (await keeper.cycle(minutes=5))["runs"] == []
    (alert,) = await ask(keeper.team, "SELECT kind, text FROM alerts")
    assert alert["kind"] == "not_found" and "could not be made faster" in alert["text"]
    assert "3 s in the median" in alert["text"] and "no rewrite that is known" in alert["text"]


@SANDBOXED
async def test_a_deployed_change_that_makes_it_worse_is_taken_back_and_told(keep: Keep) -> None:
    keeper = await keep(FILES)
    await keeper.begin()
    (run,) = (await keeper.cycle())["runs"]
    await keeper.say(run["change_id"], "approve")
    await keeper.use(*[False] * 12)
    bad = await keeper.team.changing.find(run["change_id"])
    run, *others = (await keeper.cycle(minutes=5))["runs"]
    assert run["status"] == "reverted" and "reverted" in await keeper.alerts()
    assert (keeper.root / "prices.py").read_text() == BROKEN
    assert run["commit"] == sh(keeper.root, "git", "rev-parse", "HEAD")
    rivals = [
        await keeper.team.changing.find(one["change_id"]) for one in others if one["change_id"]
    ]
    assert bad["diff"] not in [one["diff"] for one in rivals], "it is not proposed again"


@SANDBOXED
async def test_what_nobody_answers_in_time_is_rejected_and_not_proposed_again(keep: Keep) -> None:
    keeper = await keep(FILES)
    await keeper.begin()
    (run,) = (await keeper.cycle())["runs"]
    assert (await keeper.cycle(hours=167))["expired"] == 0
    told = await keeper.cycle(hours=2)
    assert told["expired"] == 1 and "expired" in await keeper.alerts()
    assert (await keeper.runs.status(run["thread_id"]))["status"] == "done"
    assert (await keeper.stats())["improvements_failed"] == 1
    assert run["change_id"] not in [one["id"] for one in await keeper.team.changing.waiting()]


async def test_a_workspace_with_uncommitted_work_is_told_and_left_alone(keep: Keep) -> None:
    keeper = await keep(FILES)
    (keeper.root / "prices.py").write_text("# mine\n")
    await keeper.begin()
    told = await keeper.cycle()
    assert "uncommitted" in told["trouble"] and await keeper.alerts() == ["loop"]
    assert (keeper.root / "prices.py").read_text() == "# mine\n"


@SANDBOXED
async def test_tests_that_take_too_long_are_told_of_and_left_alone_until_the_next_commit(
    keep: Keep,
) -> None:
    long = "import time\n\nimport pytest\n\n\n@pytest.mark.parametrize('n', range(7))\n"
    long += "def test_long(n):\n    time.sleep(0.8)\n"
    keeper = await keep({"prices.py": MENDED, "test_prices.py": long}, test_timeout_s=1)
    await keeper.begin()
    told = await keeper.cycle()
    assert told and "took longer than 1 s" in told["trouble"]
    told = await keeper.cycle(minutes=5)
    assert told and told["runs"] == [] and "trouble" not in told
    commit(keeper.root, "Say nothing new")
    told = await keeper.cycle(minutes=5)
    assert told and "trouble" in told


async def test_of_two_who_want_one_cycle_one_gets_it(keep: Keep) -> None:
    keeper = await keep(GREEN)
    await keeper.begin()
    begun = await asyncio.gather(*(keeper.team.looping.begin(keeper.loop_id) for _ in range(5)))
    assert len([row for row in begun if row]) == 1
    assert await keeper.team.looping.begin(keeper.loop_id, asked=True)


async def test_a_loop_is_paused_resumed_and_stopped(keep: Keep) -> None:
    keeper = await keep(GREEN)
    looping, where = keeper.team.looping, str(keeper.root)
    with pytest.raises(UsageError, match="no loop looks after"):
        await looping.pause(where)
    with pytest.raises(UsageError, match="there is no preset nosuch"):
        await keeper.begin("nosuch")
    await keeper.begin("development")
    assert await looping.due() == [keeper.loop_id]
    assert await looping.pause(where) == "paused" and await looping.due() == []
    assert not (await keeper.stats())["running"]
    assert await looping.resume(where) == "running" and await looping.due() == [keeper.loop_id]
    assert await looping.stop(where) == "stopped"
    assert await looping.resume(where) == "stopped", "what is stopped is started, not resumed"


@SANDBOXED
async def test_from_python_a_loop_is_a_task_that_can_be_cancelled(
    team: Team, tmp_path: Path
) -> None:
    root = repository(tmp_path / "workspace", GREEN)
    async with runs.opened() as running:
        task = start_loop(root, preset="development", runs=running)

        async def has_cycled() -> bool:
            row = await team.looping.by_id(team.looping.id_of(str(root)))
            return bool(row and row["cycles_completed"])

        while not await has_cycled():
            assert not task.done()
            await asyncio.sleep(0.05)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert (await team.looping.find(str(root)))["status"] == "stopped"


async def test_a_worker_puts_each_loop_that_is_due_in_line_once(keep: Keep) -> None:
    keeper = await keep(GREEN)
    (keeper.root / "prices.py").write_text("# mine\n")  # nothing is run
    await keeper.begin()
    waiting = "SELECT args FROM procrastinate_jobs WHERE task_name = 'loop_cycle'"
    async with jobs.connected():
        for _ in range(2):
            await jobs.begin_cycles(keeper.runs)
    assert await ask(keeper.team, waiting) == [{"args": {"loop_id": keeper.loop_id}}]
    await jobs.loop_cycle(keeper.runs, keeper.loop_id)
    await jobs.loop_cycle(keeper.runs, keeper.loop_id)
    assert (await keeper.stats())["cycle_count"] == 1, "the second one was not due"


@SANDBOXED
async def test_a_run_that_fails_again_and_again_is_given_up_and_told(keep: Keep) -> None:
    keeper = await keep(FILES)
    await keeper.begin()
    (run,) = (await keeper.cycle())["runs"]
    (keeper.root / "mine.py").write_text("")
    sh(keeper.root, "git", "add", "mine.py")
    with pytest.raises(DirtyWorkspaceError):
        await keeper.say(run["change_id"], "approve")
    for _ in range(3):
        assert (await keeper.cycle(minutes=5))["continued"] == 1
    assert "failed" in await keeper.alerts()
    sh(keeper.root, "git", "reset", "-q")
    assert await keeper.runs.go_on(run["thread_id"])
    assert (keeper.root / "prices.py").read_text() == MENDED, "a person may still go on with it"
