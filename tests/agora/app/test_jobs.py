import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agora.app import jobs, runs
from agora.domain.settings import Settings
from agora.team import Team
from tests.conftest import ask
from tests.reading import ROOT
from tests.working import until

LATER = "UPDATE claims SET expires_at = '2000-01-01' RETURNING 1"
WAITING = "SELECT task_name, status::text FROM procrastinate_jobs ORDER BY id"


@asynccontextmanager
async def working(team: Team) -> AsyncIterator[jobs.Tally]:
    tally = jobs.Tally()
    async with runs.opened() as running:
        task = asyncio.create_task(jobs.work(running, 2, tally))
        try:
            yield tally
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@contextmanager
def worker(settings: Settings, *command: str) -> Iterator[subprocess.Popen[str]]:
    """Start a worker in a process of its own, with a quick heart."""
    assert settings.database.url
    named = {"DATABASE_URL": settings.database.url.get_secret_value()}
    named |= {"AGORA_HOME": str(settings.folder), "AGORA_WORKER__HEARTBEAT_S": "0.3"}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", *(command or ["-m", "tests.working"])],
        cwd=ROOT,
        env=os.environ | named,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def test_what_a_killed_worker_has_begun_another_one_finishes(
    team: Team, settings: Settings, tmp_path: Path
) -> None:
    async with jobs.connected():
        await jobs.later("linger", "linger", folder=str(tmp_path), seconds=300)
    with worker(settings) as first:
        await until((tmp_path / "begun-0").exists)
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert not (tmp_path / "done").exists()
        with worker(settings):
            await until((tmp_path / "done").exists)
    assert (tmp_path / "begun-1").exists()


async def test_a_job_that_has_killed_too_many_workers_is_given_up(team: Team) -> None:
    async with jobs.connected():
        await jobs.later("linger", "linger", folder="nowhere", seconds=0)
    left = "UPDATE procrastinate_jobs SET status = 'doing', attempts = %s RETURNING 1"
    await ask(team, left, jobs.MOST_TRIES)
    async with jobs.connected():
        await jobs.retry_stalled(runs.Runs({}))
    assert await ask(team, WAITING) == [{"task_name": "linger", "status": "failed"}]


async def test_what_stands_in_line_again_is_not_done_twice(team: Team) -> None:
    async with jobs.connected():
        await jobs.later("linger", "linger", folder="nowhere", seconds=0)
        await ask(team, "UPDATE procrastinate_jobs SET status = 'doing' RETURNING 1")
        assert await jobs.later("linger", "linger", folder="nowhere", seconds=0)
        assert not await jobs.later("linger", "linger", folder="nowhere", seconds=0)
        await jobs.retry_stalled(runs.Runs({}))
    assert [row["status"] for row in await ask(team, WAITING)] == ["failed", "todo"]


async def test_a_worker_finishes_a_run_whose_process_has_died(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    given = {"task": {"text": "what is this?", "id": "lost"}}
    await team.holding.announce("one", "intake", given, timedelta(seconds=30))
    await ask(team, LATER)

    async def is_done() -> bool:
        rows = await ask(team, "SELECT outcome FROM tasks WHERE id = 'lost'")
        return bool(rows and rows[0]["outcome"])

    async with working(team):
        async with asyncio.timeout(120):
            while not await is_done():
                await asyncio.sleep(0.1)


async def test_a_thread_that_stands_in_line_is_not_put_there_again(
    team: Team, saver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        given = {"task": {"text": "what is this?", "id": name}}
        await team.holding.announce(name, "intake", given, timedelta())
    async with runs.opened() as running, jobs.connected():
        await jobs.later("go_on", "go on with one", thread_id="one")
        put = []

        async def later(name: str, lock: str, **arguments: Any) -> bool:
            put.append(lock)
            return True

        monkeypatch.setattr(jobs, "later", later)
        await jobs.take_over_abandoned(running)
    assert put == ["go on with two"]


async def test_a_job_that_fails_does_not_stop_the_worker(team: Team) -> None:
    async with jobs.connected():
        await jobs.later("fail", "fail")
        await jobs.later("take_over", "take_over", timestamp=0)
    async with working(team) as tally:
        await until(lambda: tally.failed == 1 and tally.done >= 1)


async def test_a_worker_outlives_a_restart_of_its_database_connections(
    team: Team, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "AGAIN_S", 0.1)
    cut = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()"""
    async with working(team) as tally:
        await until(lambda: tally.done)
        with psycopg.connect(url, autocommit=True) as other:
            other.execute(cut)
        before = tally.done
        await until(lambda: tally.done > before)


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_that_is_told_to_stop_ends_in_good_order(
    team: Team, settings: Settings, told: signal.Signals
) -> None:
    run = "from agora.app.cli import main; main()"
    with worker(settings, "-c", run, "worker", "--json") as process:
        assert process.stdout and process.stderr
        assert "working" in await asyncio.to_thread(process.stderr.readline)
        async with asyncio.timeout(60):
            while not await ask(team, "SELECT FROM procrastinate_workers"):
                await asyncio.sleep(0.05)
        process.send_signal(told)
        assert await asyncio.to_thread(process.wait, 60) == 0
        assert '"failed": 0' in process.stdout.read()
    assert await ask(team, "SELECT FROM procrastinate_workers") == []
