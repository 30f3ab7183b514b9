import asyncio
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from agora.domain.errors import DatabaseError
from agora.domain.settings import load
from agora.team import Team
from memory.database import (
    Database,
    EmbeddedPostgres,
    ExternalPostgres,
    address,
    choose_postgres,
    migrate,
)
from tests.conftest import _create, _named, ask
from tests.reading import ROOT

MIGRATE = "import sys; from memory.database import migrate; migrate(sys.argv[1])"


async def test_a_unit_of_work_is_kept_whole_or_not_at_all(team: Team) -> None:
    with pytest.raises(ZeroDivisionError):
        async with team.database.transaction() as connection:
            await connection.execute("INSERT INTO budgets VALUES ('x', 1)")
            raise ZeroDivisionError
    assert await ask(team, "SELECT FROM budgets") == []


async def test_a_statement_alone_is_a_unit_of_work(team: Team) -> None:
    with pytest.raises(ZeroDivisionError):
        async with team.database.autocommit() as connection:
            await connection.execute("INSERT INTO budgets VALUES ('x', 1)")
            raise ZeroDivisionError
    assert len(await ask(team, "SELECT FROM budgets")) == 1
    with pytest.raises(ZeroDivisionError):  # on the same connection, it is the only one
        async with team.database.transaction() as connection:
            await connection.execute("INSERT INTO budgets VALUES ('y', 1)")
            raise ZeroDivisionError
    assert len(await ask(team, "SELECT FROM budgets")) == 1


async def test_transactions_of_a_process_never_need_more_connections_than_allowed(
    url: str,
) -> None:
    database = Database(ExternalPostgres(url), connections=2)

    async def count() -> int:
        async with database.transaction() as connection:
            await asyncio.sleep(0.01)
            query = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()"
            row = await (await connection.execute(query)).fetchone()
            return int(row["n"]) if row else 0

    assert max(await asyncio.gather(*(count() for _ in range(12)))) <= 2
    await database.close()


async def test_a_connection_that_the_server_has_killed_is_replaced(url: str) -> None:
    database = Database(ExternalPostgres(url), connections=1)

    async def backend() -> int:
        async with database.transaction() as connection:
            row = await (await connection.execute("SELECT pg_backend_pid() AS pid")).fetchone()
            return int(row["pid"]) if row else 0

    before = await backend()
    assert await backend() == before, "there is but one"
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [before])
    assert await backend() != before
    await database.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me:secret@127.0.0.1:9/agora", "127.0.0.1:9/agora cannot be reached"),
        ("postgresql://me:secret@nowhere.invalid/agora", "nowhere.invalid:5432/agora cannot"),
        ("mysql://me:secret@localhost/agora", "is not a PostgreSQL URL"),
        ("postgresql://me:secret@127.0.0.1:port/agora", "127.0.0.1:port/agora cannot be reached"),
    ],
)
async def test_a_wrong_url_is_one_sentence_without_the_password(url: str, said: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        await Database(ExternalPostgres(url)).url()
    message = str(caught.value)
    assert said in message and "\n" not in message
    assert "secret" not in message and caught.value.exit_code == 2


def test_an_address_shows_neither_user_nor_password() -> None:
    assert address("postgresql://me:secret@db.example:5433/agora") == "db.example:5433/agora"
    assert address("postgresql:///agora") == "localhost:5432/agora"


async def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")  # no folder: root may write wherever there is one
    with pytest.raises(DatabaseError) as caught:
        await EmbeddedPostgres(tmp_path / "file" / "home" / "postgres").url()
    assert str(tmp_path / "file") in str(caught.value) and "AGORA_HOME" in caught.value.hint


def test_the_settings_choose_the_server(tmp_path: Path) -> None:
    own = choose_postgres(load({}, home=tmp_path))
    assert own == EmbeddedPostgres(tmp_path / "postgres")
    theirs = load({"DATABASE_URL": "postgresql://db/agora"})
    assert choose_postgres(theirs) == ExternalPostgres("postgresql://db/agora")


async def test_nobody_stops_a_server_that_is_not_ours(tmp_path: Path) -> None:
    assert not await ExternalPostgres("postgresql://db/agora").stop()
    assert not await EmbeddedPostgres(tmp_path / "postgres").stop(), "it does not run"


def test_two_processes_may_migrate_at_once(server: str) -> None:
    name = f"raced_{os.getpid()}"
    _create(server, name, "template1")
    command = [sys.executable, "-W", "ignore", "-c", MIGRATE, _named(server, name)]
    racers = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [racer.wait(120) for racer in racers] == [0, 0]
    migrate(_named(server, name))
    with psycopg.connect(_named(server, name)) as connection:
        query = "SELECT migration_id, count(*) FROM _yoyo_migration GROUP BY 1 ORDER BY 1"
        applied = connection.execute(query).fetchall()
        connection.execute("SELECT FROM claims, tasks, changes")
    assert applied and all(count == 1 for _, count in applied)


def test_every_migration_can_be_taken_back(server: str) -> None:
    from yoyo import get_backend, read_migrations

    name = f"rolled_{os.getpid()}"
    _create(server, name, "template_agora")
    url = _named(server, name)
    with get_backend(url.replace("postgresql://", "postgresql+psycopg://")) as backend:
        found = read_migrations(str(ROOT / "memory" / "migrations"))
        backend.rollback_migrations(backend.to_rollback(found))
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT to_regclass('claims')").fetchone() == (None,)
    migrate(url)


def test_a_migration_that_was_killed_does_not_block_the_next(server: str) -> None:
    name = f"killed_{os.getpid()}"
    _create(server, name, "template_agora")
    url = _named(server, name)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM _yoyo_migration WHERE migration_id LIKE '0005%'")
        connection.execute(
            "DROP TABLE predictions, news, feeds, installation, collections, recalled,"
            " memories, feedback, served, blocked,"
            " aliases, answers"
        )
        connection.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 99999)")
    migrate(url)
    with psycopg.connect(url) as connection:
        connection.execute("SELECT FROM answers, memories")
