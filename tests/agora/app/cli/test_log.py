import json
from pathlib import Path

import psycopg
import pytest

from tests.agora.app.cli.conftest import Agora
from tests.conftest import repository


@pytest.fixture
def asked(agora: Agora, tmp_path: Path) -> Agora:
    """Let the librarian read a workspace twice, so that there are decisions."""
    root = repository(tmp_path / "workspace", {"README.md": "# Rings\n\nRings are round.\n"})
    for question in ("What are rings?", "Are rings round?"):
        agora("ask", question, "--workspace", root)
    return agora


def test_an_untouched_log_verifies(asked: Agora) -> None:
    said = asked("log", "verify", "--json")
    assert said.code == 0 and said.json["valid"] and said.json["entries"] >= 2
    assert said.json["first_bad"] is None


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE decisions SET body = replace(body::text, 'allow', 'deny')::{} WHERE seq = 1",
        "DELETE FROM decisions WHERE seq = 1",
    ],
    ids=["changed", "removed"],
)
def test_a_forged_log_does_not_verify(asked: Agora, url: str, forgery: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        kind = "SELECT pg_typeof(body)::text FROM decisions LIMIT 1"
        row = connection.execute(kind.encode()).fetchone()
        assert row
        connection.execute(forgery.format(row[0]).encode())
    said = asked("log", "verify", "--json")
    assert said.code == 1 and not said.json["valid"]
    assert said.json["first_bad"] is not None and said.json["reason"]


def test_entries_are_shown_and_exported(asked: Agora) -> None:
    newest = asked("log", "show", "--limit", "1", "--json").json["decisions"]
    exported = [json.loads(line) for line in asked("log", "export").out.splitlines()]
    assert len(newest) == 1 and len(exported) >= 2
    assert [entry["seq"] for entry in exported] == list(range(1, len(exported) + 1))
    assert {"seq", "body", "hash", "signature"} <= set(exported[0])
    assert "read_document" in asked("log", "show").out
