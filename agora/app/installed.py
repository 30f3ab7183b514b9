"""The files of an installation that are no rows: prompts, configuration, one's own policies."""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import config
import prompts
from agora.domain.contracts import Json
from agora.domain.errors import SettingsError
from agora.domain.settings import Settings, load

POLICIES = "policies"


def sources(settings: Settings) -> dict[str, Path]:
    """Return what is kept of an installation: names in a snapshot, and where each stands."""
    found = {"prompts": _home(prompts), "config": _home(config)}
    own = settings.policy.folder or settings.folder / POLICIES
    if own.expanduser().is_dir():
        found[POLICIES] = own.expanduser()
    if named := os.environ.get("AGORA_CONFIG"):
        found["own.yaml"] = Path(named).expanduser()
    return found


def copy(settings: Settings, folder: Path) -> None:
    """Copy everything into a folder."""
    for name, source in sources(settings).items():
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.py")
            shutil.copytree(source, folder / name, ignore=ignored)
        elif source.exists():
            shutil.copyfile(source, folder / name)


def changed(settings: Settings, folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each file that is not as in the folder: where it is kept there, and where it stands."""
    for name, source in sources(settings).items():
        kept = folder / name
        for path in sorted(kept.rglob("*")) if kept.is_dir() else [kept]:
            now = source / path.relative_to(kept) if kept.is_dir() else source
            if path.is_file() and (not now.exists() or now.read_bytes() != path.read_bytes()):
                yield path, now


def put_back(settings: Settings, folder: Path, replaced: Path) -> Json:
    """Bring every file to what it is in the folder; keep what stood there in `replaced`.

    Returns the `files` that were written, and in `faults` those that could not be. Configuration
    that this version cannot read is taken back at once.
    """
    written: dict[Path, Path | None] = {}
    faults: list[str] = []
    for kept, now in list(changed(settings, folder)):
        before = replaced / kept.relative_to(folder)
        try:
            written[now] = _keep(now, before)
            _write(kept, now)
        except OSError as error:
            written.pop(now, None)
            faults.append(f"{now}: {error.strerror}")
    try:
        load(os.environ)
    except SettingsError as error:
        _take_back(written)
        return {"files": [], "faults": [*faults, f"this version cannot read it: {error}"]}
    return {"files": [str(one) for one in written], "faults": faults}


def _take_back(written: Mapping[Path, Path | None]) -> None:
    for now, before in written.items():
        if before is None:
            now.unlink(missing_ok=True)
        else:
            _write(before, now)


def _keep(now: Path, before: Path) -> Path | None:
    if not now.exists():
        return None
    before.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copy2(now, before)
    return before


def _write(source: Path, target: Path) -> None:
    """Write a file whole: who is killed leaves the old one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, fresh)
    if target.exists():
        shutil.copymode(target, fresh)
    fresh.replace(target)


def _home(package: Any) -> Path:
    return Path(package.__file__).parent
