from tests.agora.app.cli.conftest import Agora, Rows

OLD = "UPDATE events SET at = now() - interval '31 days' RETURNING 1"


def test_upkeep_says_what_would_go_and_then_what_has_gone(agora: Agora, rows: Rows) -> None:
    agora("ask", "what is nowhere?")
    rows(OLD)
    rows("UPDATE claims SET expires_at = '2000-01-01' RETURNING 1")
    planned = agora("upkeep", "--dry-run", "--json").json
    assert planned["dry_run"] and planned["rows"] > 10 and planned["bytes"] > 0
    before = agora("stats", "--json").json
    said = agora("upkeep")
    assert said.code == 0 and f"{planned['rows']} rows" in said.out and "have gone" in said.out
    done = agora("upkeep", "--json").json
    assert not done["dry_run"] and done["rows"] == 0
    assert agora("stats", "--json").json == before


def test_an_upkeep_beside_another_one_says_so(agora: Agora, rows: Rows, url: str) -> None:
    import psycopg

    agora("stats")
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(2029)")
        said = agora("upkeep", "--json")
    assert said.code == 1 and said.error["code"] == "upkeep_held"
