from pathlib import Path

import pytest

from agora.app import snapshots
from agora.domain.errors import UsageError
from agora.team import Team
from tests.conftest import ask
from tests.running import Hire

FIGURES = {"p50_ms": 50.0, "rss_mb": 150.0, "at_once": 12}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    async def baseline() -> dict[str, float]:
        return dict(FIGURES)

    monkeypatch.setattr("agora.app.selftest.baseline", baseline)


async def test_a_restored_snapshot_has_every_row_that_it_was_taken_with(hire: Hire) -> None:
    staff = hire()
    await staff.ask("What is the capital of France?", id="before")
    taken = await snapshots.create(staff.team, "before the change")
    assert taken["rows"]["tasks"] == 1 and taken["baseline"]["p50_ms"] == 50.0
    await ask(staff.team, "DELETE FROM tasks RETURNING 1")
    async with staff.team.database.transaction() as connection:
        await connection.execute("DROP TABLE opportunities")
    told = await snapshots.restore(staff.team, taken["id"])
    assert told["is_verified"], told["differences"]
    assert [row["id"] for row in await ask(staff.team, "SELECT id FROM tasks")] == ["before"]
    assert await ask(staff.team, "SELECT count(*) FROM opportunities")


async def test_the_log_of_decisions_never_goes_back(hire: Hire) -> None:
    staff = hire()
    taken = await snapshots.create(staff.team)
    await staff.ask("What is the capital of France?")
    await snapshots.restore(staff.team, taken["id"])
    async with staff.team.database.transaction() as connection:
        found = await staff.team.acting.decisions.verify(connection)
    assert found.first_bad is None and found.entries >= 2
    (row,) = await ask(staff.team, "SELECT body FROM decisions ORDER BY seq DESC LIMIT 1")
    assert "restore_snapshot" in row["body"]


async def test_what_is_now_is_taken_before_it_is_given_up(team: Team) -> None:
    taken = await snapshots.create(team)
    told = await snapshots.restore(team, taken["id"])
    found = [one["id"] for one in await snapshots.listed(team)]
    assert told["before"] in found and taken["id"] in found
    assert await snapshots.prune(team, 1) == 1
    assert [one["id"] for one in await snapshots.listed(team)] == found[:1]


async def test_a_snapshot_that_was_changed_is_not_restored(team: Team) -> None:
    taken = await snapshots.create(team)
    folder = team.settings.folder / snapshots.FOLDER / taken["id"] / snapshots.DUMP
    dump = folder / "events.copy.gz"
    dump.write_bytes(dump.read_bytes()[:-3])
    with pytest.raises(snapshots.SnapshotBrokenError, match="events"):
        await snapshots.restore(team, taken["id"])


async def test_nothing_is_left_of_a_snapshot_that_failed(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing() -> dict[str, float]:
        raise UsageError("no")

    monkeypatch.setattr("agora.app.selftest.baseline", failing)
    with pytest.raises(UsageError):
        await snapshots.create(team)
    assert list(Path(team.settings.folder, snapshots.FOLDER).iterdir()) == []
    assert await snapshots.listed(team) == []


async def test_an_unknown_snapshot_is_a_wrong_use(team: Team) -> None:
    with pytest.raises(UsageError, match="there is no snapshot"):
        await snapshots.restore(team, "none")
