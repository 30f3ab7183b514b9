"""What the tests stand on: a true PostgreSQL, a database of its own for each test, true git."""

import asyncio
import signal
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
import psycopg
import pytest
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import sql

import agora.team
from agora.domain.settings import Settings, load
from agora.team import Team, assemble
from memory import extensions
from memory.checkpoints import open_saver
from memory.database import EmbeddedPostgres, migrate

pytest_plugins = ["tests.needs"]
# Tests kill clients, never the machine: waiting for the disk would only cost time. And among a
# thousand databases the vacuum would begin ten times a second.
QUICK = {"fsync": "off", "full_page_writes": "off", "autovacuum_naptime": "1d"}

# What chance finds belongs into a test of its own, and an example may take its time.
hypothesis.settings.register_profile(
    "steady",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("steady")

# A shell ignores Ctrl-C for what it starts in the background, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL server, with a database that the others are copied from."""
    # Not below pytest's folder: every session closes that to others, and the server is another.
    with TemporaryDirectory("", "agora-tests-", _quick(), ignore_cleanup_errors=True) as folder:
        postgres = EmbeddedPostgres(Path(folder, "postgres"))
        url = asyncio.run(postgres.url())
        with psycopg.connect(url, autocommit=True) as connection:
            for name, value in QUICK.items():
                connection.execute(
                    sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), value)
                )
            connection.execute("SELECT pg_reload_conf()")
        extensions.offer(url, postgres.folder)
        _create(url, "template_agora", "template1")
        migrate(_named(url, "template_agora"))
        asyncio.run(_prepare_checkpoints(_named(url, "template_agora")))
        yield url
        asyncio.run(postgres.stop())


def _quick() -> Path | None:
    """Return a folder in memory for databases, where there is one of a useful size."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and disk_usage(memory).free > 2 * 1024**3 else None


async def _prepare_checkpoints(url: str) -> None:
    async with open_saver(url):
        pass


def _named(url: str, database: str) -> str:
    return url.replace(":@/postgres?", f":@/{database}?")


def _create(url: str, name: str, template: str) -> None:
    command = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(command.format(sql.Identifier(name), sql.Identifier(template)))


@pytest.fixture
def url(server: str) -> Iterator[str]:
    """A database of its own, with all tables."""
    url = database(server)
    yield url
    name = sql.Identifier(url.partition(":@/")[2].partition("?")[0])
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def database(server: str) -> str:
    """Return the URL of a new database with all tables."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    _create(server, name, "template_agora")
    return _named(server, name)


@pytest.fixture
def settings(url: str, tmp_path: Path) -> Settings:
    return load({}, **{"database.url": url, "home": tmp_path / "home", "memory.pulse_s": 0})


@pytest.fixture
async def team(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Team]:
    team = assemble(settings)
    monkeypatch.setattr(agora.team, "current", lambda: team)
    yield team
    await team.close()


@pytest.fixture
async def saver(url: str) -> AsyncIterator[AsyncPostgresSaver]:
    async with open_saver(url) as saver:
        yield saver


def sh(folder: Path | str, *arguments: str) -> str:
    """Return what a command prints."""
    done = subprocess.run(arguments, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def repository(folder: Path, files: dict[str, str]) -> Path:
    """Make a git repository with these files in its first commit."""
    folder.mkdir(parents=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    sh(folder, "git", "init", "-q", "-b", "main")
    commit(folder, "begin")
    return folder


def commit(folder: Path, message: str) -> str:
    """Commit all that is in the folder and return the sha."""
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    sh(folder, "git", "add", "-A")
    sh(folder, "git", *who, "commit", "-qm", message, "--allow-empty")
    return sh(folder, "git", "rev-parse", "HEAD")


async def ask(team: Team, query: Any, *parameters: Any) -> list[dict[str, Any]]:
    """Return the rows of a query."""
    async with team.database.transaction() as connection:
        return await (await connection.execute(query, parameters)).fetchall()
