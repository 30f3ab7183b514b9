from pathlib import Path

import psycopg
import pytest

from memory import job_tables


def test_tables_of_an_older_version_are_brought_up_to_date(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "migrations").mkdir()
    first, second = (tmp_path / "migrations" / f"0{number}.sql" for number in (1, 2))
    first.write_text("CREATE TABLE never (a int)")
    (tmp_path / "schema.sql").write_text("CREATE TABLE shelf (a int); SELECT '100 %';")
    monkeypatch.setattr(job_tables, "_folder", lambda: tmp_path)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE job_migrations")
        job_tables.apply(connection)
        assert connection.execute("SELECT to_regclass('never')").fetchone() == (None,)
        second.write_text("ALTER TABLE shelf ADD b int")
        assert job_tables.wanted() - job_tables.applied(connection) == {"02"}
        job_tables.apply(connection)
        connection.execute("SELECT a, b FROM shelf")
        assert job_tables.wanted() == job_tables.applied(connection)


def test_a_step_that_fails_leaves_nothing_behind(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "01.sql").touch()
    (tmp_path / "schema.sql").write_text("CREATE TABLE shelf (a int); SELECT 1/0;")
    monkeypatch.setattr(job_tables, "_folder", lambda: tmp_path)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE job_migrations")
        with pytest.raises(psycopg.errors.DivisionByZero):
            job_tables.apply(connection)
        assert job_tables.applied(connection) == set()
        assert connection.execute("SELECT to_regclass('shelf')").fetchone() == (None,)
