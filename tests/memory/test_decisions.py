import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from agora.domain.settings import Settings
from agora.domain.signing import Signer, canonical, link
from agora.team import Team
from memory.database import Row
from memory.decisions import Decisions, Finding, export, newest
from tests.conftest import ask
from tests.reading import ROOT

WRITER = """
import asyncio, sys
from pathlib import Path
from agora.domain.signing import Signer
from memory.database import Database, ExternalPostgres
from memory.decisions import Decisions

async def main() -> None:
    database = Database(ExternalPostgres(sys.argv[1]))
    decisions = Decisions(Signer(Path(sys.argv[2])))
    for number in range(40):
        entry = {"resource": f"{sys.argv[3]} {number}"}
        async with database.autocommit() as connection:
            row = await decisions.extend(connection, entry)
        if row is None:
            async with database.transaction() as connection:
                row = await decisions.append(connection, entry)
        decisions.remember(row)
        decisions.keep_head(row)
    await database.close()

asyncio.run(main())
"""


async def recorded(team: Team, count: int = 5) -> list[Row]:
    return [await team.acting.record("test", f"entry {n}", "allow") for n in range(count)]


async def verified(team: Team) -> Finding:
    async with team.database.transaction() as connection:
        return await team.acting.decisions.verify(connection)


async def test_an_empty_log_and_an_untouched_one_are_valid(team: Team) -> None:
    assert await verified(team) == Finding(0)
    await recorded(team)
    assert await verified(team) == Finding(5)
    async with team.database.transaction() as connection:
        last = await newest(connection, 2)
        rows = [row async for row in export(connection)]
    assert [entry["resource"] for entry in last] == ["entry 3", "entry 4"]
    assert last[-1]["verdict"] == "allow" and last[-1]["at"].endswith("Z")
    assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[1]["hash"] == link(rows[0]["hash"], rows[1]["body"])


EDIT = "UPDATE decisions SET body = replace(body, 'allow', 'deny') WHERE seq = 3 RETURNING 1"
DELETE = "DELETE FROM decisions WHERE seq = 3 RETURNING 1"
SWAP = """
WITH gone AS (DELETE FROM decisions WHERE seq IN (3, 4) RETURNING *)
INSERT INTO decisions SELECT 7 - seq + 100, body, hash, signature FROM gone RETURNING 1
"""
TRUNCATE = "DELETE FROM decisions WHERE seq > 2 RETURNING 1"
UNSIGNED = "UPDATE decisions SET signature = repeat('0', 128) WHERE seq = 3 RETURNING 1"


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ([EDIT], "content or its place"),
        ([DELETE], "entry 3 is gone"),
        ([SWAP, "UPDATE decisions SET seq = seq - 100 WHERE seq > 100 RETURNING 1"], "its place"),
        ([TRUNCATE], "entries 3 to 5 are gone"),
        ([UNSIGNED], "signature is not ours"),
    ],
    ids=["edited", "deleted", "reordered", "cut", "unsigned"],
)
async def test_the_first_bad_entry_is_named(team: Team, statements: list[str], reason: str) -> None:
    await recorded(team)
    for statement in statements:
        assert await ask(team, statement)
    found = await verified(team)
    assert (found.entries, found.first_bad) == (2, 3) and reason in found.reason


async def test_a_chain_forged_with_another_key_is_not_ours(team: Team, tmp_path: Path) -> None:
    await recorded(team)
    forger = Signer(tmp_path / "elsewhere")
    await ask(team, "DELETE FROM decisions WHERE seq = 5 RETURNING 1")
    (before,) = await ask(team, "SELECT hash FROM decisions WHERE seq = 4")
    body = canonical({"seq": 5, "action": "test", "verdict": "deny", "key": forger.public})
    digest = link(before["hash"], body)
    await ask(
        team,
        "INSERT INTO decisions VALUES (5, %s, %s, %s) RETURNING 1",
        body,
        digest,
        forger.sign(digest),
    )
    assert (await verified(team)).first_bad == 5


async def test_an_end_rewritten_with_our_own_key_is_seen_by_the_head_outside(team: Team) -> None:
    rows = await recorded(team)
    await ask(team, "DELETE FROM decisions WHERE seq = 5 RETURNING 1")
    async with team.database.transaction() as connection:
        await team.acting.decisions.append(connection, {"action": "other"})
    found = await verified(team)
    assert found.first_bad == 5 and "outside of the database" in found.reason
    kept = json.loads((team.settings.folder / "keys" / "decisions.head").read_text())
    assert kept["hash"] == rows[-1]["hash"]


async def test_the_head_outside_never_goes_back(team: Team) -> None:
    rows = await recorded(team, 3)
    decisions: Decisions = team.acting.decisions
    decisions.keep_head(rows[0])
    path = team.settings.folder / "keys" / "decisions.head"
    assert json.loads(path.read_text())["seq"] == 3
    assert path.stat().st_mode & 0o077 == 0
    path.write_text("cut sho")
    decisions.keep_head(rows[2])
    assert json.loads(path.read_text())["seq"] == 3


async def test_an_entry_belongs_to_the_transaction_of_its_writer(team: Team) -> None:
    with pytest.raises(ZeroDivisionError):
        async with team.database.transaction() as connection:
            await team.acting.decisions.append(connection, {"action": "test"})
            raise ZeroDivisionError
    await recorded(team, 1)
    assert await verified(team) == Finding(1)


async def test_writers_of_one_process_wait_for_each_other(team: Team) -> None:
    await asyncio.gather(*(recorded(team, 5) for _ in range(4)))
    assert await verified(team) == Finding(20)


async def test_two_processes_make_one_chain(team: Team, settings: Settings) -> None:
    assert settings.database.url
    where = [settings.database.url.get_secret_value(), str(settings.folder / "keys")]
    command = [sys.executable, "-W", "ignore", "-c", WRITER, *where]
    writers = [subprocess.Popen([*command, name], cwd=ROOT) for name in ("a", "b")]
    assert [await asyncio.to_thread(writer.wait, 120) for writer in writers] == [0, 0]
    assert await verified(team) == Finding(80)


async def extended(team: Team, decisions: Decisions) -> Row | None:
    async with team.database.autocommit() as connection:
        row = await decisions.extend(connection, {"action": "test"})
    if row:
        decisions.remember(row)
    return row


async def test_who_knows_the_newest_entry_adds_one_in_a_single_statement(team: Team) -> None:
    decisions = team.acting.decisions
    assert await extended(team, decisions) is None  # nothing is known yet
    await recorded(team, 1)
    rows = [await extended(team, decisions) for _ in range(3)]
    assert [row and row["seq"] for row in rows] == [2, 3, 4]
    async with team.database.transaction() as connection:
        entries = await newest(connection, 4)
    assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)
    assert {len(entry["at"]) for entry in entries} == {len("2026-01-01T00:00:00.000000Z")}
    assert await verified(team) == Finding(4)


async def test_who_was_overtaken_adds_nothing_in_the_wrong_place(team: Team) -> None:
    (row,) = await recorded(team, 1)
    other = Decisions(team.acting.decisions.signer)
    async with team.database.transaction() as connection:
        await other.append(connection, {"action": "test"})
        assert await extended(team, team.acting.decisions) is None  # another is about to add
    assert await extended(team, team.acting.decisions) is None  # and has
    team.acting.decisions.remember(row | {"hash": "0" * 64})
    assert await extended(team, team.acting.decisions) is None
    assert await verified(team) == Finding(2)


async def test_nobody_extends_the_log_while_a_rotation_is_unfinished(team: Team) -> None:
    await recorded(team, 1)
    team.acting.decisions.signer.prepare()
    assert await extended(team, team.acting.decisions) is None
    await recorded(team, 1)
    assert await extended(team, team.acting.decisions)
    assert await verified(team) == Finding(3)


async def test_a_rotated_key_signs_from_the_next_entry_on(team: Team) -> None:
    await recorded(team, 2)
    old = team.acting.decisions.signer.public
    await team.acting.rotate_key("anna", "as every year")
    await recorded(team, 2)
    async with team.database.transaction() as connection:
        entries = await newest(connection, 5)
    new = team.acting.decisions.signer.public
    assert [entry["key"] for entry in entries] == [old, old, old, new, new]
    assert (entries[2]["action"], entries[2]["resource"]) == ("rotate_key", new)
    assert await verified(team) == Finding(5)


async def test_a_rotation_that_died_before_the_new_key_was_in_force_is_finished(team: Team) -> None:
    await recorded(team, 1)
    async with team.database.transaction() as connection:
        row = await team.acting.decisions.rotate(connection, "anna", "")
    assert team.acting.decisions.signer.next_path.exists(), "and here the process dies"
    await recorded(team, 1)
    assert await verified(team) == Finding(3)
    assert not team.acting.decisions.signer.next_path.exists() and row["seq"] == 2


async def test_a_rotation_that_was_never_committed_leaves_nothing(team: Team) -> None:
    await recorded(team, 1)
    old = team.acting.decisions.signer.public
    with pytest.raises(ZeroDivisionError):
        async with team.database.transaction() as connection:
            await team.acting.decisions.rotate(connection, "anna", "")
            raise ZeroDivisionError
    await recorded(team, 1)
    assert await verified(team) == Finding(2) and team.acting.decisions.signer.public == old


async def test_a_key_that_was_put_away_signs_no_more(team: Team, tmp_path: Path) -> None:
    await recorded(team, 1)
    signer = team.acting.decisions.signer
    stolen = Signer(tmp_path / "stolen")
    stolen.folder.mkdir()
    stolen.path.write_bytes(signer.path.read_bytes())
    await team.acting.rotate_key("anna", "it was stolen")
    async with team.database.transaction() as connection:
        await Decisions(stolen).append(connection, {"action": "test"})
    found = await verified(team)
    assert found.first_bad == 3 and "put away by entry 2" in found.reason


async def test_the_entries_of_another_machine_count_once_its_key_is_accepted(
    team: Team, tmp_path: Path
) -> None:
    await recorded(team, 1)
    elsewhere = Decisions(Signer(tmp_path / "elsewhere"))
    async with team.database.transaction() as connection:
        await elsewhere.append(connection, {"action": "test"})
    found = await verified(team)
    assert found.first_bad == 2 and f"agora log accept {elsewhere.signer.public}" in found.reason
    await team.acting.accept_key(elsewhere.signer.public, "anna", "the second machine")
    assert await verified(team) == Finding(3)
