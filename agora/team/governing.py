"""Governing: the policies in force, taken up anew when their files change, without a restart."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import structlog

from agora.domain.contracts import Act
from agora.domain.policy import SHIPPED, Policy, PolicyError, PolicyVerdict, files
from agora.domain.settings import Settings

log = structlog.get_logger(__name__)
LOOK_S = 0.25
"""How long a process goes by what it has seen of the files."""
Stamp = tuple[tuple[str, int, int], ...]


def folders_of(settings: Settings) -> tuple[Path, ...]:
    """Return the folders whose policies count: the shipped ones, unless left out, and one's own."""
    own = settings.policy.folder
    if own is None:
        inherited = settings.folder / "policies"
        found = (inherited,) if inherited.is_dir() else ()
    else:
        found = (own.expanduser().absolute(),)
    return (SHIPPED, *found) if settings.policy.shipped else found


@dataclass
class Governing:
    """Policies that may change while we run; an edit that cannot be read changes nothing."""

    folders: tuple[Path, ...]
    policy: Policy
    fault: str = ""  # why the files as they are now are not in force
    noted: str | None = None  # what the log knows to be in force: hash, or hash and fault
    _stamp: Stamp = ()
    _looked_at: float = field(default=0.0)

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Read the policies of this installation; raise PolicyError with file and line."""
        folders = folders_of(settings)
        return cls(folders, Policy.load(*folders), _stamp=_stamp_of(folders))

    @property
    def hash(self) -> str:
        """Name the set of policies in force."""
        return self.policy.hash

    @property
    def state(self) -> str:
        """Name the set in force, and what is wrong with the files beside it."""
        return f"{self.hash} {self.fault}".strip()

    def decide(self, act: Act) -> PolicyVerdict:
        """Return what the policies in force say of an act."""
        return self.policy.decide(act)

    async def refresh(self) -> None:
        """Take up files that have changed, in a thread: whoever serves others reads no files."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            await asyncio.to_thread(self._look)

    def _look(self) -> None:
        stamp = _stamp_of(self.folders)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.policy, self.fault = Policy.load(*self.folders), ""
        except PolicyError as error:
            self.fault = str(error)
            log.error("the policies before stay in force", reason=self.fault)


def _stamp_of(folders: tuple[Path, ...]) -> Stamp:
    seen = []
    for path in files(folders):
        try:
            status = path.stat()
        except OSError:  # just removed
            continue
        seen.append((str(path), status.st_mtime_ns, status.st_size))
    return tuple(seen)
