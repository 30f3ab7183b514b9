"""Snapshots: all that an installation is, in one folder, and the one command that goes back to it.

The index is no part of it, because it is computed from rows; of workspaces, which are people's own,
only where their branches stood is kept.
"""

import asyncio
import json
import shutil
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from agora.app import installed, selftest
from agora.domain import branches
from agora.domain.contracts import Json
from agora.domain.errors import AgoraError, DirtyWorkspaceError, UsageError
from agora.domain.redaction import redact
from agora.team import Team
from memory import dumps, snapshots
from memory.database import Row

FOLDER, DUMP, REPORT = "snapshots", "database", "snapshot.json"
REPLACED = "replaced"
"""Where in the data folder the files are kept that a restore has written over."""


class SnapshotBrokenError(AgoraError):
    """A snapshot is not as it was written: nothing was restored."""


async def create(team: Team, note: str = "") -> Json:
    """Take a snapshot and return its report; it is complete, or not there."""
    now = team.clock()
    snapshot_id = f"{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:4]}"
    folder = team.settings.folder / FOLDER / snapshot_id
    part = folder.with_suffix(".part")
    await asyncio.to_thread(_prepare, part, team)
    try:
        url = await team.database.url()
        rows = await asyncio.to_thread(dumps.dump, url, part / DUMP)
        report = await _report(team, snapshot_id, note, now, rows, part)
        await asyncio.to_thread(_finish, part, folder, report)
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)
        raise
    async with team.database.transaction() as connection:
        await snapshots.keep(connection, snapshot_id, now, str(folder), report)
    return report


async def listed(team: Team) -> list[Json]:
    """Return the reports of all snapshots whose files are there, newest first.

    They are read from their folders: a restored database does not know of later ones.
    """
    return await asyncio.to_thread(_reports, team.settings.folder / FOLDER)


async def newest(team: Team) -> Json:
    """Return the report of the newest snapshot; {} where there is none."""
    found = await listed(team)
    return found[0] if found else {}


async def restore(team: Team, snapshot_id: str, *, with_workspaces: bool = True) -> Json:
    """Go back to a snapshot, and verify it; return what was put back and what stands elsewhere.

    What is now is taken as a snapshot of its own before, if that can be. Raises
    DirtyWorkspaceError before anything is changed: a workspace could not go back.
    """
    found = [one for one in await listed(team) if one["id"] == snapshot_id]
    if not found:
        raise UsageError(f"there is no snapshot {snapshot_id}", "agora snapshot list")
    report = found[0]
    folder = team.settings.folder / FOLDER / snapshot_id
    await _verify(folder, report)
    places = report["workspaces"] if with_workspaces else {}
    await _refuse_obstacles(places)
    before = await _before(team)
    url = await team.database.url()
    await team.database.close()
    rows = await asyncio.to_thread(dumps.restore, url, folder / DUMP)
    lost = _differences(report["rows"], rows)
    await team.database.restart()
    await _note_all(team)
    read = await _index_again(team)
    await team.capabilities.read()
    await team.acting.record(
        "restore_snapshot", snapshot_id, "allow", actor="operator", reasons=[f"before: {before}"]
    )
    name = f"{team.clock():%Y%m%d-%H%M%S}"
    replaced = team.settings.folder / REPLACED / name
    files = await asyncio.to_thread(installed.put_back, team.settings, folder, replaced)
    kept, stuck = await _go_back(team, places, name)
    changed = [str(now) for _, now in installed.changed(team.settings, folder)]
    moved = await _moved(report["workspaces"])
    return {
        "id": snapshot_id,
        "is_verified": not (lost or changed or (moved and with_workspaces)),
        "differences": lost,
        "rows": sum(rows.values()),
        "indexed": read,
        "before": before,
        "files": files["files"],
        "replaced": str(replaced) if files["files"] else "",
        "workspaces": kept,
        "faults": [*files["faults"], *stuck],
        "changed_files": changed,
        "moved_workspaces": moved,
    }


async def prune(team: Team, keep: int) -> int:
    """Remove all snapshots but the newest ones; return how many."""
    gone = [one["id"] for one in (await listed(team))[keep:]]
    for snapshot_id in gone:
        folder = team.settings.folder / FOLDER / snapshot_id
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    async with team.database.autocommit() as connection:
        await snapshots.forget(connection, gone)
    return len(gone)


async def _before(team: Team) -> str:
    try:
        return str((await create(team, "before a restore"))["id"])
    except (AgoraError, OSError) as error:  # what is broken is what one goes back from
        return f"none: {error}"


async def _report(
    team: Team, snapshot_id: str, note: str, now: datetime, rows: dict[str, int], part: Path
) -> Json:
    async with team.database.autocommit() as connection:
        figures = await snapshots.figures(connection, now)
        workspaces = await snapshots.workspaces(connection)
    return {
        "id": snapshot_id,
        "at": now.isoformat(),
        "note": note,
        "rows": rows,
        "files": await asyncio.to_thread(_digests, part),
        "workspaces": await asyncio.to_thread(_places, workspaces),
        "capabilities": {one["name"]: one["phase"] for one in await team.capabilities.listed()},
        "baseline": dict(figures) | await selftest.baseline(),
    }


async def _verify(folder: Path, report: Json) -> None:
    digests = await asyncio.to_thread(_digests, folder)
    wrong = sorted(name for name, said in report["files"].items() if digests.get(name) != said)
    if wrong:
        raise SnapshotBrokenError(
            f"snapshot {report['id']} is not as it was written: {', '.join(wrong)}",
            "agora snapshot list; take another one",
        )


def _prepare(part: Path, team: Team) -> None:
    part.mkdir(parents=True, mode=0o700)
    installed.copy(team.settings, part)
    told: Any = redact(team.settings.model_dump(mode="json"), team.settings.secrets)
    (part / "settings.json").write_text(json.dumps(told, indent=1, sort_keys=True))


def _finish(part: Path, folder: Path, report: Json) -> None:
    (part / REPORT).write_text(json.dumps(report, indent=1))
    part.rename(folder)


def _digests(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != REPORT)
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in paths}


def _reports(folder: Path) -> list[Json]:
    found = [json.loads(path.read_text()) for path in folder.glob(f"*/{REPORT}")]
    whole = [one for one in found if (folder / one["id"] / DUMP).exists()]
    return sorted(whole, key=lambda one: str(one["at"]), reverse=True)


def _differences(then: dict[str, int], now: dict[str, int]) -> list[str]:
    """Return the tables whose rows are not as many as then; the log of decisions only grows."""
    names = sorted(set(then) - {dumps.LOG})
    return [
        f"{one}: {then[one]} then, {now.get(one)} now" for one in names if then[one] != now.get(one)
    ]


def _places(workspaces: Iterable[str]) -> dict[str, branches.Place]:
    return {one: branches.place(one) for one in workspaces}


async def _refuse_obstacles(places: Mapping[str, branches.Place]) -> None:
    for workspace, then in places.items():
        if why := await asyncio.to_thread(branches.obstacle, workspace, then):
            hint = "put that right, or leave workspaces as they are: --leave-workspaces"
            raise DirtyWorkspaceError(f"nothing was restored: {why}", hint)


async def _go_back(
    team: Team, places: Mapping[str, branches.Place], name: str
) -> tuple[dict[str, str], list[str]]:
    """Return the workspaces that went back, with the ref of what stood there, and what failed."""
    kept: dict[str, str] = {}
    stuck: list[str] = []
    for workspace, then in places.items():
        try:
            if ref := await team.changing.go_back(workspace, then, name):
                kept[workspace] = ref
        except AgoraError as error:
            stuck.append(str(error))
    return kept, stuck


async def _moved(then: Mapping[str, branches.Place]) -> list[str]:
    now = await asyncio.to_thread(_places, then)
    return [
        f"{one}: stood at {then[one]['head']}, now {now[one]['head']}"
        for one in then
        if then[one] != now[one]
    ]


async def _note_all(team: Team) -> None:
    """Tell the restored database of the snapshots that it cannot know of."""
    async with team.database.transaction() as connection:
        for one in await listed(team):
            folder = team.settings.folder / FOLDER / one["id"]
            at = datetime.fromisoformat(one["at"])
            await snapshots.keep(connection, one["id"], at, str(folder), one)


async def _index_again(team: Team) -> int:
    try:
        return await team.indexing.rebuild()
    except AgoraError:
        return 0  # another process has its files, or it is away: it catches up by itself
    finally:
        await team.indexing.close()


def rows_of(reports: list[Json]) -> list[Row]:
    """Return what people want to see of snapshots."""
    return [
        {
            "id": one["id"],
            "at": one["at"],
            "note": one["note"],
            "rows": sum(one["rows"].values()),
            "p50_ms": one["baseline"].get("p50_ms"),
        }
        for one in reports
    ]
