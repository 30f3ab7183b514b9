"""Reading a public repository from a checkout or a bare git directory, at a known commit."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from agora.domain import git
from agora.domain.errors import UsageError

Part = Literal["dev", "held-out", "all"]


class SourceError(UsageError):
    """The checkout is missing, or is not what the data is derived from."""


@dataclass(frozen=True)
class Origin:
    """A public repository, the commit that was read, and a path that tells it from others."""

    repository: str
    commit: str
    landmark: str


@dataclass(frozen=True)
class Checkout:
    """A repository on this machine, read at one commit."""

    folder: Path
    commit: str

    def read(self, path: str, commit: str = "") -> bytes:
        """Return a file as it was committed; raise SourceError."""
        at = commit or self.commit
        try:
            return git.run(self.folder, ("cat-file", "blob", f"{at}:{path}"))
        except git.GitError:
            raise SourceError(
                f"{self.folder} has no file {path} at {at[:12]}",
                "clone the whole repository, with its history",
            ) from None

    def names(self, folder: str, commit: str = "") -> list[str]:
        """Return the paths of a committed folder's files; raise SourceError where it has none."""
        at = commit or self.commit
        try:
            listed = git.run(self.folder, ("ls-tree", "-z", "--name-only", at, f"{folder}/"))
        except git.GitError:
            listed = b""
        if not listed:
            raise SourceError(
                f"{self.folder} has no folder {folder} at {at[:12]}",
                "clone the whole repository, with its history",
            )
        return listed.decode().rstrip("\0").split("\0")

    def holds(self, name: str) -> bool:
        """Return whether a commit, or a path of one, is here."""
        try:
            git.run(self.folder, ("cat-file", "-e", name))
        except git.GitError:
            return False
        return True


def open_origin(origin: Origin, folders: Sequence[Path]) -> Checkout:
    """Return the folder that holds the origin; raise SourceError where none does."""
    if checkout := find_origin(origin, folders):
        return checkout
    given = " and ".join(map(str, folders))
    raise SourceError(
        f"{given}: no git checkout of {origin.repository}",
        f"git clone https://github.com/{origin.repository}",
    )


def find_origin(origin: Origin, folders: Sequence[Path]) -> Checkout | None:
    """Return the folder that holds the origin, at the known commit or else, warned of, at HEAD."""
    for folder in folders:
        if not folder.is_dir():
            raise SourceError(f"{folder}: no such checkout")
        if Checkout(folder, origin.commit).holds(f"{origin.commit}^{{commit}}"):
            return Checkout(folder, origin.commit)
        if Checkout(folder, "HEAD").holds(f"HEAD:{origin.landmark}"):
            warn(f"{folder} has no commit {origin.commit[:12]}: reading HEAD, rows may differ")
            return Checkout(folder, "HEAD")
    return None


def is_in(part: Part, key: str, dev_percent: int) -> bool:
    """Return whether a row belongs to a part: a hash of its key decides, nothing else."""
    return part == "all" or (percentile(key) < dev_percent) == (part == "dev")


def percentile(key: str) -> int:
    """Return where a key falls, from 0 to 99."""
    return int(sha256(key.encode()).hexdigest()[:8], 16) % 100


def warn(message: str) -> None:
    """Tell of something that does not stop the work."""
    print(f"warning: {message}", file=sys.stderr)
