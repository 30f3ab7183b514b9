"""The tables of background jobs: procrastinate's own SQL, of the version that is installed."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection, Connection

IS_THERE = "SELECT to_regclass('job_migrations') IS NOT NULL AS is_there"
NAMES = "SELECT name FROM job_migrations"
CREATE = "CREATE TABLE job_migrations (name text PRIMARY KEY)"
RECORD = "INSERT INTO job_migrations SELECT unnest(%s::text[])"

STANDING = """
SELECT queueing_lock FROM procrastinate_jobs WHERE status = 'todo' AND queueing_lock = ANY(%s)
"""


def _folder() -> Path:
    """Return where the SQL is, without importing what a command mostly does not need."""
    found = find_spec("procrastinate")
    assert found and found.submodule_search_locations
    return Path(found.submodule_search_locations[0], "sql")


def wanted() -> set[str]:
    """Return the names of all migrations that this version has."""
    return {path.stem for path in (_folder() / "migrations").glob("*.sql")}


def applied(connection: Connection[Any]) -> set[str]:
    """Return the names of those that the database has."""
    row = connection.execute(IS_THERE).fetchone()
    if not row or not row[0]:
        return set()
    return {str(name) for (name,) in connection.execute(NAMES).fetchall()}


def apply(connection: Connection[Any]) -> None:
    """Make the tables, or bring those of an older version up to date; each step whole or not."""
    missing = wanted() - (known := applied(connection))
    if known:
        for name in sorted(missing):
            _do(connection, f"migrations/{name}.sql", {name})
    elif missing:
        with connection.transaction():
            connection.execute(CREATE)
            _do(connection, "schema.sql", missing)


async def standing(connection: AsyncConnection[Any], locks: list[str]) -> set[str]:
    """Return those of these locks under which a job stands in line already."""
    rows = await (await connection.execute(STANDING, [locks])).fetchall()
    return {row["queueing_lock"] for row in rows}


def _do(connection: Connection[Any], file: str, names: set[str]) -> None:
    with connection.transaction():
        connection.execute((_folder() / file).read_bytes())
        connection.execute(RECORD, [sorted(names)])
