from pathlib import Path

import pytest

from agora.app import installed, snapshots
from agora.domain import git_locks
from agora.domain.contracts import Change
from agora.domain.errors import DirtyWorkspaceError, UsageError
from agora.team import Team
from agora.team.acting import standing_alone
from tests.conftest import ask, commit, repository, sh
from tests.dying_git import AFTER, AMID, BEFORE, DyingGit, dying_git
from tests.running import Hire

__all__ = ["dying_git"]

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


@pytest.fixture
async def shop(team: Team, tmp_path: Path) -> Path:
    """A workspace that was changed once, so that snapshots look after it."""
    place = repository(tmp_path / "shop", {"prices.py": "ONE = 1\n"})
    fields = {"id": "one", "subject": "prices.py", "diff": "", "at": "2026-01-01T00:00:00Z"}
    change = Change.model_validate(
        fields | {"workspace": str(place), "base": sh(place, "git", "rev-parse", "HEAD")}
    )
    with standing_alone("case", "improving"):
        await team.changing.propose(change, None, {})
    return place


async def test_workspaces_go_back_and_what_stood_there_is_kept(team: Team, shop: Path) -> None:
    then = sh(shop, "git", "rev-parse", "HEAD")
    taken = await snapshots.create(team)
    (shop / "prices.py").write_text("ONE = 2\n")
    later = commit(shop, "Raise the price")
    (shop / "notes.txt").write_text("in no commit\n")
    told = await snapshots.restore(team, taken["id"])
    assert told["is_verified"] and sh(shop, "git", "rev-parse", "HEAD") == then
    assert (shop / "prices.py").read_text() == "ONE = 1\n"
    assert (shop / "notes.txt").read_text() == "in no commit\n"
    assert sh(shop, "git", "rev-parse", told["workspaces"][str(shop)]) == later


@pytest.mark.parametrize("manner", [BEFORE, AMID, AFTER], ids=["before", "amid", "after"])
async def test_a_git_that_is_killed_while_it_goes_back_goes_back_all_the_same(
    team: Team, shop: Path, dying_git: DyingGit, monkeypatch: pytest.MonkeyPatch, manner: str
) -> None:
    monkeypatch.setattr(git_locks, "STALE_S", 0.05)
    taken = await snapshots.create(team)
    (shop / "prices.py").write_text("ONE = 2\n")
    later = commit(shop, "Raise the price")
    dying_git.dies("reset", manner)
    told = await snapshots.restore(team, taken["id"])
    assert told["is_verified"] and dying_git.deaths == 1
    assert (shop / "prices.py").read_text() == "ONE = 1\n"
    assert sh(shop, "git", "rev-parse", told["workspaces"][str(shop)]) == later


async def test_uncommitted_work_stops_a_restore_before_it_begins(team: Team, shop: Path) -> None:
    taken = await snapshots.create(team)
    (shop / "prices.py").write_text("ONE = 2\n")
    later = commit(shop, "Raise the price")
    (shop / "prices.py").write_text("ONE = 3\n")
    with pytest.raises(DirtyWorkspaceError, match=r"nothing was restored: .*prices.py"):
        await snapshots.restore(team, taken["id"])
    assert [one["id"] for one in await snapshots.listed(team)] == [taken["id"]]
    told = await snapshots.restore(team, taken["id"], with_workspaces=False)
    assert told["is_verified"] and told["moved_workspaces"]
    assert sh(shop, "git", "rev-parse", "HEAD") == later
    assert (shop / "prices.py").read_text() == "ONE = 3\n"


async def test_policies_and_configuration_go_back_and_what_stood_there_is_kept(
    team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, policies = tmp_path / "own.yaml", team.settings.folder / installed.POLICIES
    monkeypatch.setenv("AGORA_CONFIG", str(own))
    own.write_text("health: {history_days: 9}\n")
    policies.mkdir(parents=True)
    (policies / "mine.cedar").write_text("// nothing yet\n")
    taken = await snapshots.create(team)
    own.write_text("health: {history_days: 10}\n")
    (policies / "mine.cedar").unlink()
    told = await snapshots.restore(team, taken["id"])
    assert told["is_verified"] and not told["faults"]
    assert sorted(told["files"]) == sorted([str(own), str(policies / "mine.cedar")])
    assert own.read_text() == "health: {history_days: 9}\n"
    assert (policies / "mine.cedar").read_text() == "// nothing yet\n"
    assert Path(told["replaced"], "own.yaml").read_text() == "health: {history_days: 10}\n"


async def test_configuration_that_this_version_cannot_read_is_not_put_back(
    team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.yaml"
    monkeypatch.setenv("AGORA_CONFIG", str(own))
    own.write_text("health: {of_another_version: 9}\n")
    taken = await snapshots.create(team)
    own.write_text("health: {history_days: 10}\n")
    told = await snapshots.restore(team, taken["id"])
    assert not told["is_verified"] and told["changed_files"] == [str(own)]
    assert "of_another_version" in told["faults"][0]
    assert own.read_text() == "health: {history_days: 10}\n"


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
