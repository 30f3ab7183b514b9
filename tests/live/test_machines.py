"""Two servers and three workers on one PostgreSQL and one Redis, killed one after the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest

from tests.conftest import database, repository, sh
from tests.improving import APPROVE, FILES, MENDED, decided
from tests.model_server import ModelServer
from tests.redis_server import RedisServer
from tests.running import plainly
from tests.serving import (
    Process,
    Server,
    ending,
    environment,
    new_server,
    new_worker,
    until,
)

SOON_S = 150  # a lease, a tick and a task; on a busy machine
TICKS = """
CREATE TABLE ticks (job text, at text);
CREATE FUNCTION tick() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO ticks SELECT NEW.task_name, NEW.args->>'timestamp' WHERE NEW.args ? 'timestamp';
    RETURN NULL;
END $$;
CREATE TRIGGER tick AFTER INSERT ON procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION tick();
"""


LEFT_BUSY = """
UPDATE thread SET status = 'busy', updated_at = updated_at - interval '1 minute'
WHERE thread_id = %s
"""


@dataclass
class Site:
    """What runs here: two servers with a worker each, and a third worker."""

    one: Server
    two: Server
    third: Process
    models: ModelServer
    url: str

    def hold(self, seconds: float) -> None:
        """Let models think for so long before their first word."""
        self.models.manner.first_token_s = seconds

    def rows(self, query: Any, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query, parameters).fetchall()

    def begin(self, at: Server, text: str) -> tuple[str, str]:
        """Begin a task whose model thinks, and wait until it does; return thread and run."""
        asked = len(self.models.exchanges)
        self.hold(300)
        thread_id = at.client.threads.create()["thread_id"]
        run = at.client.runs.create(thread_id, "task", input={"task": {"text": text}})
        until(lambda: len(self.models.exchanges) > asked, SOON_S, at.said)
        return thread_id, run["run_id"]

    def statuses(self, run_id: str) -> tuple[str, str]:
        query = """
            SELECT runs.status, thread.status FROM runs JOIN thread USING (thread_id)
            WHERE run_id = %s
        """
        ((run, thread),) = self.rows(query, run_id)
        return run, thread


@pytest.fixture
def site(server: str, tmp_path: Path) -> Iterator[Site]:
    url, redis = database(server), RedisServer.started()
    with psycopg.connect(url) as connection:
        connection.execute(TICKS)
    with ModelServer(plainly, models=("qwen3:8b",)) as models:
        set_to = {"AGORA_STAGE__LEASE_S": "6", "AGORA_SERVE__DRAIN_S": "0.5"}
        env = environment(url, tmp_path, OLLAMA_HOST=models.url, REDIS_URL=redis.url, **set_to)
        one, two = new_server(tmp_path, env, "one"), new_server(tmp_path, env, "two")
        third = new_worker(tmp_path, env)
        with ending(one, two, third):
            starting = [Thread(target=each.start) for each in (one, two, third)]
            for each in starting:
                each.start()
            for each in starting:
                each.join()
            yield Site(one, two, third, models, url)
    redis.close()


@pytest.mark.timeout(1200)
@pytest.mark.needs("bubblewrap", "redis-server")
def test_what_any_process_leaves_behind_another_one_ends_and_callers_see_it(
    site: Site, tmp_path: Path
) -> None:
    root = repository(tmp_path / "workspace", FILES)
    waiting = _propose(site.one, root)
    _is_not_left_busy(site, site.one, waiting, "interrupted")
    _ends_elsewhere_when_its_server_is_killed(site)
    _approves(site.two, waiting, root)
    _is_handed_over_when_its_server_is_told_to_stop(site)
    _fires_each_tick_once(site)
    assert site.third.stop() == 0


def _propose(at: Server, root: Path) -> str:
    order: Any = {"task": {"workspace": str(root), "test": "pytest -q", "timeout_s": 20}}
    thread_id = at.client.threads.create()["thread_id"]
    at.client.runs.wait(thread_id, "improvement", input=order)
    (waiting,) = at.client.threads.search(status="interrupted")
    assert waiting["thread_id"] == thread_id
    return str(thread_id)


def _is_not_left_busy(site: Site, at: Server, thread_id: str, is_then: str) -> None:
    """Leave a thread as a server does that dies between two writes; see it put right."""
    with psycopg.connect(site.url) as connection:
        connection.execute(LEFT_BUSY, [thread_id])
    until(lambda: at.client.threads.get(thread_id)["status"] == is_then, SOON_S)


def _ends_elsewhere_when_its_server_is_killed(site: Site) -> None:
    beside = site.one.worker()
    thread_id, run_id = site.begin(site.one, "What is six times seven?")
    site.one.kill()
    until(lambda: not beside.is_running(), SOON_S)
    site.hold(0)
    assert _answer(site.two.client.runs.join(thread_id, run_id)) == "forty-two"
    streamed = list(site.two.client.runs.join_stream(thread_id, run_id))
    assert streamed[-2].event == "values" and _answer(streamed[-2].data) == "forty-two"
    assert streamed[-1].event == "end"
    assert site.statuses(run_id) == ("success", "idle")
    _is_not_left_busy(site, site.two, thread_id, "idle")
    assert site.rows("SELECT status, count(*) FROM tasks GROUP BY status") == [("answered", 1)]


def _answer(output: Any) -> str:
    return str(output["outcome"]["answer"])


def _approves(at: Server, thread_id: str, root: Path) -> None:
    done: Any = at.client.runs.wait(thread_id, "improvement", command={"resume": decided(APPROVE)})
    assert done["status"] == "fixed" and (root / "prices.py").read_text() == MENDED
    assert sh(root, "git", "rev-list", "--count", "HEAD") == "2"


def _is_handed_over_when_its_server_is_told_to_stop(site: Site) -> None:
    beside = site.two.worker()
    _, run_id = site.begin(site.two, "What is five times eight, and two?")
    assert site.two.stop() == 0, site.two.said()
    assert not beside.is_running()
    site.hold(0)
    until(lambda: site.statuses(run_id) == ("success", "idle"), SOON_S, site.third.said)


def _fires_each_tick_once(site: Site) -> None:
    ticks = site.rows("SELECT job, at FROM ticks")
    assert len(ticks) == len(set(ticks)) > 2
