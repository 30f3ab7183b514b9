"""Scratch databases: a migration is tried there, up and down, with rows in every table.

What runs in one may be wrong or hostile: it is run by a role that owns this database and nothing
else, and both are gone afterwards.
"""

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection, sql
from psycopg.conninfo import make_conninfo

from agora.domain.contracts import Json

ROWS = 20  # in each table, before the migration
LIMIT_S = 20  # for one statement
COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity, is_generated
FROM information_schema.columns WHERE table_schema = 'public'
ORDER BY table_name, ordinal_position
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text AS place, pg_get_constraintdef(oid) AS said FROM pg_constraint
WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2
"""
INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
VALUES: dict[str, str] = {
    "integer": "{n}",
    "bigint": "{n}",
    "smallint": "{n}",
    "numeric": "{n}",
    "real": "{n}",
    "double precision": "{n}",
    "boolean": "({n} % 2 = 0)",
    "text": "'text ' || {n}",
    "character varying": "'t' || {n}",
    "character": "'t'",
    "date": "DATE '2026-01-01' + {n}",
    "timestamp with time zone": "TIMESTAMPTZ '2026-01-01Z' + {n} * INTERVAL '1 hour'",
    "timestamp without time zone": "TIMESTAMP '2026-01-01' + {n} * INTERVAL '1 hour'",
    "jsonb": "jsonb_build_object('n', {n})",
    "json": "json_build_object('n', {n})",
    "uuid": "md5({n}::text)::uuid",
    "bytea": "decode(md5({n}::text), 'hex')",
    "interval": "{n} * INTERVAL '1 minute'",
}


def rehearse(url: str, earlier: Sequence[str], up: str, down: str) -> Json:
    """Try a migration: up, down, up again, with rows in the tables of the `earlier` ones.

    Returns `problem` ("" where all went well), `tables` and `rows`. Raises psycopg.Error where no
    scratch database can be made.
    """
    with _database(url) as connection:
        try:
            for one in earlier:
                connection.execute(one)
            rows = sum(_filled(connection, table) for table in _tables(connection))
        except psycopg.Error as error:
            return _told(f"an earlier migration does not run: {_said(error)}", 0, 0)
        before, tables = _seen(connection), len(_tables(connection))
        for name, text in (("up", up), ("down", down), ("up again", up)):
            try:
                connection.execute(text)
            except psycopg.Error as error:
                return _told(f"{name}: {_said(error)}", tables, rows)
            if name == "up" and _seen(connection) == before:
                return _told("up changes nothing", tables, rows)
            if name == "down" and (lost := _difference(before, _seen(connection))):
                return _told(f"down does not restore {lost}", tables, rows)
        return _told("", tables, rows)


def _told(problem: str, tables: int, rows: int) -> Json:
    return {"problem": problem, "tables": tables, "rows": rows}


def _said(error: psycopg.Error) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


@contextmanager
def _database(url: str) -> Iterator[Connection[Any]]:
    name, word = f"agora_scratch_{secrets.token_hex(6)}", secrets.token_hex(16)
    role = sql.Identifier(name)
    with psycopg.connect(url, autocommit=True) as owner:
        make = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} NOSUPERUSER NOCREATEDB NOCREATEROLE")
        owner.execute(make.format(role, sql.Literal(word)))
        try:
            owner.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))
            owner.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))
            own = make_conninfo(url, user=name, password=word, dbname=name)
            with psycopg.connect(own, autocommit=True) as connection:
                connection.execute(f"SET statement_timeout = '{LIMIT_S}s'")
                yield connection
        finally:
            owner.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(role))
            owner.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(role))


def _tables(connection: Connection[Any]) -> list[str]:
    query = """
        SELECT table_name FROM information_schema.tables
        WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1
    """
    return [str(name) for (name,) in connection.execute(query).fetchall()]


def _filled(connection: Connection[Any], table: str) -> int:
    """Put rows into a table as far as its rules allow; return how many."""
    known = [row for row in connection.execute(COLUMNS).fetchall() if row[0] == table]
    free = [row for row in known if row[5] == "NO" and row[6] == "NEVER" and row[4] is None]
    usable = [row for row in free if row[2] in VALUES]
    columns = sql.SQL(", ").join(sql.Identifier(row[1]) for row in usable)
    done = 0
    for n in range(1, ROWS + 1):
        values = ", ".join(VALUES[row[2]].format(n=n) for row in usable)
        body = sql.SQL("INSERT INTO {} ({}) VALUES (" + values + ")")
        with_none = sql.SQL("INSERT INTO {} DEFAULT VALUES").format(sql.Identifier(table))
        statement = body.format(sql.Identifier(table), columns) if usable else with_none
        try:
            connection.execute(statement)
        except psycopg.Error:  # a check or a reference that made-up values do not meet
            continue
        done += 1
    return done


def _seen(connection: Connection[Any]) -> Json:
    seen: Json = {
        "columns": connection.execute(COLUMNS).fetchall(),
        "constraints": connection.execute(CONSTRAINTS).fetchall(),
        "indexes": connection.execute(INDEXES).fetchall(),
    }
    for table in _tables(connection):
        query = sql.SQL("SELECT to_jsonb(t) FROM {} AS t").format(sql.Identifier(table))
        rows = [row for (row,) in connection.execute(query).fetchall()]
        seen[f"rows of {table}"] = sorted(json.dumps(row, sort_keys=True) for row in rows)
    return seen


def _difference(before: Json, after: Json) -> str:
    return next((key for key in (*before, *after) if before.get(key) != after.get(key)), "")
