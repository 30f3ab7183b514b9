"""The only caller of git: `read` looks, `write` changes something and needs an open act."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from agora.domain.doors import require_act
from agora.domain.errors import ChildKilledError, WorkspaceError

# Fixed, so that a commit built twice has one sha; and so that nobody's configuration matters.
IDENTITY = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "Agora"), ("EMAIL", "agora@localhost"))
}


class GitError(WorkspaceError):
    """Git refused; the message is its own."""


def read(folder: Path | str, *arguments: str, env: Mapping[str, str] | None = None) -> str:
    """Return what git prints, without the last line break; raise GitError.

    Killed by somebody, such as for want of memory, it looks once more; ChildKilledError.
    """
    try:
        said = run(folder, arguments, env=env)
    except ChildKilledError:
        said = run(folder, arguments, env=env)
    return said.decode("utf-8", "surrogateescape").rstrip("\n")


def write(
    folder: Path | str, *arguments: str, stdin: str = "", env: Mapping[str, str] | None = None
) -> str:
    """Like `read`, for commands that leave something behind: only inside of an act.

    Killed, it is not begun again: whoever knows what it was to do looks first what it has done.
    """
    require_act("commit")
    data = stdin.encode("utf-8", "surrogateescape")
    return (
        run(folder, arguments, stdin=data, env=env).decode("utf-8", "surrogateescape").rstrip("\n")
    )


def run(
    folder: Path | str,
    arguments: tuple[str, ...],
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
) -> bytes:
    """Run git with a bare environment, no hooks, no prompts and no pager.

    Raises GitError, and ChildKilledError.
    """
    command = ["git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", *arguments]
    bare = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    bare["GIT_OPTIONAL_LOCKS"] = "0"  # one that only looks, and is killed, leaves no lock behind
    if home := os.environ.get("HOME"):
        bare["HOME"] = home  # safe.directory and the person's filters
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            input=stdin,
            env=bare | IDENTITY | dict(env or {}),
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise GitError("git is not installed", "apt-get install git") from None
    if done.returncode < 0:
        raise ChildKilledError(
            f"git {arguments[0]} in {folder} was killed by signal {-done.returncode}"
        )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip() or f"exit status {done.returncode}"
        raise GitError(f"git {arguments[0]} in {folder}: {said}")
    return done.stdout
