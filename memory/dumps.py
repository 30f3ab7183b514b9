"""Dumps: all rows of the database into files and back, as they were in one moment.

By COPY, because the programs of a server's own version are not always at hand. Tables are made by
migrations; the log of decisions is dumped, and never goes back where there is one.
"""

import asyncio
import gzip
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection, sql

from agora.domain.errors import AgoraError
from memory.checkpoints import open_saver
from memory.database import migrate

LOG = "decisions"
OF_SCHEMA = re.compile(r"^_?yoyo|migrations$|^alembic_version$")
"""Tables that say which tables there are: they belong to the schema, not to its rows."""
PART = 1 << 20
CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
COLUMNS = """
SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
  AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
GROUP BY c.relname ORDER BY c.relname
"""
REFERENCES = """
SELECT DISTINCT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint
WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND conrelid <> confrelid
"""
SEQUENCES = """
SELECT sequencename, last_value FROM pg_sequences
WHERE schemaname = 'public' AND last_value IS NOT NULL
"""
XIDS = """
SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
  AND a.atttypid = 'xid8'::regtype AND a.attnum > 0 AND NOT a.attisdropped
"""
NOW = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"
FIRST_XID = "3"


class DumpError(AgoraError):
    """A dump cannot be read, or does not fit this database; nothing was changed."""


def dump(url: str, folder: Path) -> dict[str, int]:
    """Write all rows into a folder, and return how many each table has. Blocks."""
    folder.mkdir(parents=True)
    with psycopg.connect(url) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        tables: dict[str, Any] = {
            name: {"columns": columns, "rows": _write(connection, name, columns, folder)}
            for name, columns in _tables(connection).items()
        }
        told = {
            "tables": tables,
            "sequences": dict(connection.execute(SEQUENCES).fetchall()),
            "xid": _one(connection, NOW),
        }
    (folder / "tables.json").write_text(json.dumps(told, indent=1))
    return {name: one["rows"] for name, one in tables.items()}


def restore(url: str, folder: Path) -> dict[str, int]:
    """Put the rows of a dump in place of those that are there, all or none; return how many.

    Whoever else is connected is cut off, and connects again afterwards. Where tables are gone,
    they are made anew before, by migrations. Blocks; raises DumpError.
    """
    told = _read(folder)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(CUT)
        if not set(told["tables"]) <= set(_tables(connection)):
            _make_anew(connection, url)
    with psycopg.connect(url) as connection:
        return _load(connection, folder, told)


def _read(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / "tables.json").read_text()))
    except (OSError, ValueError) as error:
        raise DumpError(f"{folder} holds no dump: {error}") from None


def _tables(connection: Connection[Any]) -> dict[str, list[str]]:
    found = dict(connection.execute(COLUMNS).fetchall())
    return {name: columns for name, columns in found.items() if not OF_SCHEMA.search(name)}


def _write(connection: Connection[Any], name: str, columns: list[str], folder: Path) -> int:
    query = sql.SQL("COPY {} ({}) TO STDOUT").format(sql.Identifier(name), _listed(columns))
    with gzip.open(folder / f"{name}.copy.gz", "wb", compresslevel=3) as file:
        with connection.cursor().copy(query) as copying:
            for block in copying:
                file.write(block)
    count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))
    return int(_one(connection, count))


def _load(connection: Connection[Any], folder: Path, told: Mapping[str, Any]) -> dict[str, int]:
    there = _tables(connection)
    if missing := sorted(set(told["tables"]) - set(there)):
        raise DumpError(f"this version has no tables {', '.join(missing)}")
    has_log = LOG in there and bool(_one(connection, f"SELECT count(*) FROM {LOG}"))
    emptied = [name for name in there if not (name == LOG and has_log)]
    names = sql.SQL(", ").join(map(sql.Identifier, emptied))
    connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(names))
    for name in _in_order(connection, set(told["tables"]) & set(emptied)):
        _fill(connection, name, told["tables"][name]["columns"], folder)
    for name, value in told["sequences"].items():
        # Never back: fencing tokens and ids that were given once are not given again.
        known = sql.Literal(f"public.{name}"), sql.Identifier(name), sql.Literal(value)
        query = "SELECT setval({}, greatest({}, (SELECT last_value FROM {})))"
        connection.execute(sql.SQL(query).format(known[0], known[2], known[1]))
    _forget_foreign_times(connection, told)
    count = "SELECT count(*) FROM {}"
    return {
        name: int(_one(connection, sql.SQL(count).format(sql.Identifier(name))))
        for name in told["tables"]
    }


def _fill(connection: Connection[Any], name: str, columns: list[str], folder: Path) -> None:
    table = sql.Identifier(name)
    # Triggers have done their part when the rows were first written.
    connection.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(table))
    query = sql.SQL("COPY {} ({}) FROM STDIN").format(table, _listed(columns))
    with gzip.open(folder / f"{name}.copy.gz", "rb") as file:
        with connection.cursor().copy(query) as copying:
            while block := file.read(PART):
                copying.write(block)
    connection.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(table))


def _in_order(connection: Connection[Any], names: set[str]) -> list[str]:
    """Return tables so that each comes after those that it refers to."""
    needs: dict[str, set[str]] = {name: set() for name in names}
    for name, other in connection.execute(REFERENCES).fetchall():
        if name in needs and other in names:
            needs[name].add(other)
    found: list[str] = []
    while needs:
        ready = sorted(name for name, other in needs.items() if other <= set(found))
        if not ready:
            raise DumpError(f"tables refer to each other in a circle: {', '.join(sorted(needs))}")
        found += ready
        needs = {name: other for name, other in needs.items() if name not in ready}
    return found


def _forget_foreign_times(connection: Connection[Any], told: Mapping[str, Any]) -> None:
    """Let rows of another server be certain: its transactions may be ahead of all of ours."""
    if int(told["xid"]) <= int(str(_one(connection, NOW))):
        return
    for table, column in connection.execute(XIDS).fetchall():
        query = sql.SQL("UPDATE {} SET {} = {}::xid8")
        given = sql.Identifier(table), sql.Identifier(column), sql.Literal(FIRST_XID)
        connection.execute(query.format(*given))
    connection.execute("DELETE FROM folds")  # they are computed again, from the first event on


def _make_anew(connection: Connection[Any], url: str) -> None:
    """Make all tables anew, and put the log of decisions back as it is."""
    has_log = _one(connection, f"SELECT to_regclass('public.{LOG}') IS NOT NULL")
    connection.execute("CREATE SCHEMA IF NOT EXISTS kept")
    if has_log:
        connection.execute(f"ALTER TABLE public.{LOG} SET SCHEMA kept")
    connection.execute("DROP SCHEMA public CASCADE")
    connection.execute("CREATE SCHEMA public")
    migrate(url)
    asyncio.run(_make_checkpoints(url))
    if has_log:
        connection.execute(f"DROP TABLE public.{LOG}")
        connection.execute(f"ALTER TABLE kept.{LOG} SET SCHEMA public")
    connection.execute("DROP SCHEMA kept CASCADE")


async def _make_checkpoints(url: str) -> None:
    async with open_saver(url):
        pass


def _listed(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _one(connection: Connection[Any], query: Any) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None
