"""What stands between unknown code and the machine: the command lines of bubblewrap and prlimit.

Root is dropped to nobody *outside* of the namespaces: the kernel enforces no process limit on
uid 0, whatever uid bubblewrap shows inside.
"""

import os
import shlex
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agora.domain.settings import SandboxSettings

NOBODY = 65534
MIB = 1 << 20
OPEN_FILES = 256
INSIDE = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",
    "LC_ALL": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
}


@dataclass(frozen=True)
class Walls:
    """One confined command: what it sees, where it stands, and what it may spend."""

    limits: SandboxSettings
    folder: Path  # the only place that may be written
    at: Path  # where that folder appears inside
    readable: tuple[Path, ...]
    env: Mapping[str, str]
    cpu_s: int
    scratch: Path  # a private folder for mount points, removed with the run

    def limited(self, command: Sequence[str], *, is_alone: bool = False) -> list[str]:
        """Return the command under limits only; nothing is hidden from it."""
        limits = self.limits
        # Outside of a namespace the person's own processes would count.
        processes = [f"--nproc={limits.processes}"] if is_alone else []
        return [
            _program("prlimit"),
            f"--as={limits.memory_mb * MIB}",
            *processes,
            f"--fsize={limits.file_mb * MIB}",
            f"--cpu={self.cpu_s}",
            "--core=0",
            f"--nofile={OPEN_FILES}",
            "--",
            *command,
        ]

    def confined(self, command: Sequence[str], status_fd: int) -> list[str]:
        """Return the command behind all walls; bubblewrap reports its exit on `status_fd`."""
        mounts: list[tuple[Path, Path]] = []
        argv = [
            *_dropped(),
            _program("bwrap"),
            "--json-status-fd",
            str(status_fd),
            *_NAMESPACES,
            *_system(),
            *self._memory(),
            *self._null(),
            *self._account(),
            "--bind",
            str(self._reachable(self.folder, mounts)),
            str(self.at),
        ]
        for source in self.readable:
            argv += ["--ro-bind", str(self._reachable(source, mounts)), str(source)]
        argv += ["--remount-ro", "/", *self._environment(), "--chdir", str(self.at), "--"]
        argv += self.limited(command, is_alone=True)
        return (
            [_program("unshare"), "--mount", "sh", "-c", _script(mounts, argv)] if mounts else argv
        )

    def _reachable(self, source: Path, mounts: list[tuple[Path, Path]]) -> Path:
        """Return where nobody can reach this path: itself, or a neutral place root binds it to."""
        if os.getuid() != 0 or _is_open(source):
            return source
        neutral = self.scratch / f"{len(mounts)}"
        neutral.mkdir() if source.is_dir() else neutral.touch()
        mounts.append((source, neutral))
        return neutral

    def _null(self) -> list[str]:
        # Where nobody may not write to /dev/null, pytest ends with an internal error.
        if os.stat(os.devnull).st_mode & 0o006 == 0o006:
            return []
        null = self.scratch / "null"
        null.touch()
        give_away(null)
        return ["--bind", str(null), os.devnull]

    def _memory(self) -> list[str]:
        """Return folders in memory, each as large as a process may get."""
        size = str(self.limits.memory_mb * MIB)
        return [
            word for place in ("/tmp", "/dev/shm") for word in ("--size", size, "--tmpfs", place)
        ]

    def _account(self) -> list[str]:
        """Return what gives whoever runs inside a name: initdb, git and others ask for it."""
        uid, gid = (NOBODY, NOBODY) if os.getuid() == 0 else (os.getuid(), os.getgid())
        argv = []
        for name, line in (
            ("passwd", f"nobody:x:{uid}:{gid}:nobody:{INSIDE['HOME']}:/bin/sh"),
            ("group", f"nobody:x:{gid}:"),
        ):
            place = self.scratch / name
            place.write_text(f"{line}\n")
            place.chmod(0o644)
            argv += ["--ro-bind", str(place), f"/etc/{name}"]
        return argv

    def _environment(self) -> list[str]:
        return [part for key, value in self.env.items() for part in ("--setenv", key, value)]


_NAMESPACES = (
    "--unshare-all",
    "--unshare-user",
    "--disable-userns",
    "--die-with-parent",
    "--new-session",
    "--cap-drop",
    "ALL",
    "--clearenv",
)


def give_away(path: Path) -> None:
    """Make nobody the owner of all that is below, when we are root; links are not followed."""
    if os.getuid() != 0:
        return
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(os.path.join(folder, name), NOBODY, NOBODY, follow_symlinks=False)


def _system() -> list[str]:
    argv = ["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev"]
    for name in ("lib", "lib64", "bin", "sbin"):
        place = Path("/", name)
        if place.is_symlink():
            argv += ["--symlink", os.readlink(place), str(place)]
        elif place.is_dir():
            argv += ["--ro-bind", str(place), str(place)]
    return argv


def _dropped() -> list[str]:
    if os.getuid() != 0:
        return []
    ids = ["--reuid", str(NOBODY), "--regid", str(NOBODY)]
    return [_program("setpriv"), *ids, "--clear-groups"]


def _is_open(path: Path) -> bool:
    """Return whether nobody can walk to this path."""
    return all(p.stat().st_mode & stat.S_IXOTH for p in path.resolve().parents)


def _script(mounts: Sequence[tuple[Path, Path]], argv: Sequence[str]) -> str:
    """Return a shell script whose mounts nobody else sees and that end with it."""
    binds = [shlex.join(["mount", "--bind", str(a), str(b)]) for a, b in mounts]
    return " && ".join(["mount --make-rprivate /", *binds, f"exec {shlex.join(argv)}"])


def _program(name: str) -> str:
    return shutil.which(name) or f"/usr/bin/{name}"
