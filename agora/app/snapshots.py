"""Snapshots: all that an installation is, in one folder, and the one command that goes back to it.

The index is no part of it, because it is computed from rows; workspaces are people's own, so that
only where they stood is kept.
"""

import asyncio
import json
import os
import shutil
import uuid
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import config
import prompts
from agora.app import selftest
from agora.domain import commits
from agora.domain.contracts import Json
from agora.domain.errors import AgoraError, UsageError
from agora.domain.redaction import redact
from agora.team import Team
from memory import dumps, snapshots
from memory.database import Row

FOLDER, DUMP, REPORT = "snapshots", "database", "snapshot.json"


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


async def restore(team: Team, snapshot_id: str) -> Json:
    """Go back to a snapshot, and verify it; return what was put back and what stands elsewhere.

    What is now is taken as a snapshot of its own before, if that can be.
    """
    found = [one for one in await listed(team) if one["id"] == snapshot_id]
    if not found:
        raise UsageError(f"there is no snapshot {snapshot_id}", "agora snapshot list")
    report = found[0]
    folder = team.settings.folder / FOLDER / snapshot_id
    await _verify(folder, report)
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
    return {
        "id": snapshot_id,
        "is_verified": not lost,
        "differences": lost,
        "rows": sum(rows.values()),
        "indexed": read,
        "before": before,
        "changed_files": await asyncio.to_thread(_changed, folder, team),
        "moved_workspaces": await _moved(report["workspaces"]),
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
        "workspaces": await _heads(workspaces),
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
    for name, source in _sources(team).items():
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.py")
            shutil.copytree(source, part / name, ignore=ignored)
        elif source.exists():
            shutil.copyfile(source, part / name)
    told: Any = redact(team.settings.model_dump(mode="json"), team.settings.secrets)
    (part / "settings.json").write_text(json.dumps(told, indent=1, sort_keys=True))


def _sources(team: Team) -> dict[str, Path]:
    found = {"prompts": _home(prompts), "config": _home(config)}
    if named := os.environ.get("AGORA_CONFIG"):
        found["own.yaml"] = Path(named).expanduser()
    return found


def _home(package: Any) -> Path:
    return Path(package.__file__).parent


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


def _changed(folder: Path, team: Team) -> list[str]:
    """Return the files of prompts and configuration that are not as they were then."""
    changed = []
    for name, source in _sources(team).items():
        kept = folder / name
        for path in sorted(kept.rglob("*")) if kept.is_dir() else [kept]:
            now = source / path.relative_to(kept) if kept.is_dir() else source
            if path.is_file() and (not now.exists() or now.read_bytes() != path.read_bytes()):
                changed.append(f"{now} (then: {path})")
    return changed


def _differences(then: dict[str, int], now: dict[str, int]) -> list[str]:
    """Return the tables whose rows are not as many as then; the log of decisions only grows."""
    names = sorted(set(then) - {dumps.LOG})
    return [
        f"{one}: {then[one]} then, {now.get(one)} now" for one in names if then[one] != now.get(one)
    ]


async def _heads(workspaces: list[str]) -> dict[str, str]:
    return {one: await asyncio.to_thread(_head, one) for one in workspaces}


def _head(workspace: str) -> str:
    try:
        return commits.head(workspace)
    except (AgoraError, OSError):
        return ""


async def _moved(then: dict[str, str]) -> list[str]:
    now = await _heads(list(then))
    return [f"{one}: stood at {then[one]}, now {now[one]}" for one in then if then[one] != now[one]]


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
