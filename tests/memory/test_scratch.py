import psycopg
import pytest

from memory.scratch import ROWS, rehearse

EARLIER = [
    "CREATE TABLE pets (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL,"
    " weight numeric, born date)"
]
UP, DOWN = "ALTER TABLE pets ADD COLUMN owner text", "ALTER TABLE pets DROP COLUMN owner"


def test_a_migration_goes_up_and_down_and_up_with_rows_in_the_tables(url: str) -> None:
    assert rehearse(url, EARLIER, UP, DOWN) == {"problem": "", "tables": 1, "rows": ROWS}


@pytest.mark.parametrize(
    ("up", "down", "problem"),
    [
        (UP, "SELECT 1", "down does not restore columns"),
        (UP, f"DELETE FROM pets; {DOWN}", "down does not restore rows of pets"),
        ("ALTER TABLE dogs ADD COLUMN owner text", DOWN, 'up: relation "dogs" does not exist'),
        ("SELECT 1", DOWN, "up changes nothing"),
        ("CREATE UNIQUE INDEX i ON pets ((1))", "DROP INDEX i", "up: could not create unique"),
    ],
)
def test_what_loses_structure_or_rows_is_found_out(
    url: str, up: str, down: str, problem: str
) -> None:
    assert rehearse(url, EARLIER, up, down)["problem"].startswith(problem)


@pytest.mark.parametrize(
    "hostile",
    [
        "COPY pets TO PROGRAM 'true'",
        "CREATE ROLE another SUPERUSER",
        "RESET SESSION AUTHORIZATION; CREATE DATABASE other",
        "COPY pets FROM '/etc/passwd'",
    ],
)
def test_a_migration_has_no_rights_outside_of_its_database(url: str, hostile: str) -> None:
    assert "up: " in rehearse(url, EARLIER, hostile, DOWN)["problem"]


def test_nothing_of_it_stays(url: str) -> None:
    rehearse(url, EARLIER, UP, "no SQL")
    with psycopg.connect(url) as connection:
        query = "SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles"
        names = [name for (name,) in connection.execute(query).fetchall()]
    assert not [name for name in names if name.startswith("agora_scratch_")]
