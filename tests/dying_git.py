"""A git on the PATH that is killed with -9 where a test wants it; all others are the real one."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

BEFORE = ":"
AMID = """
folder=$($git rev-parse --git-dir)
case "$5 $6" in
"update-ref -m") touch "$folder/HEAD.lock" "$folder/refs/heads/main.lock" ;;
update-ref*) mkdir -p "$folder/${6%/*}" && touch "$folder/$6.lock" ;;
*) touch "${GIT_INDEX_FILE:-$folder/index}.lock" ;;
esac
"""
AFTER = '$git "$@" >/dev/null'
SHIM = """#!/bin/sh
git=REAL deaths=DEATHS
case "$5 $6 " in
COMMAND*) [ "$(wc -c <$deaths)" -lt TIMES ] || exec $git "$@" ;;
*) exec $git "$@" ;;
esac
printf x >>$deaths
MANNER
kill -9 $$
"""


def after(seconds: float) -> str:
    """Return the manner to die of a git that has really worked for so long."""
    return f'$git "$@" <&0 >/dev/null & sleep {seconds:.4f}; kill -9 $!; wait $!'


@dataclass(frozen=True)
class DyingGit:
    """Makes gits die, and counts them."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch

    @property
    def deaths(self) -> int:
        """Return how many were killed."""
        return (self.folder / "deaths").stat().st_size

    def dies(self, command: str, manner: str, times: int = 1) -> None:
        """Let the first gits of ours die whose arguments begin like this; a shell's pattern."""
        self.folder.mkdir(exist_ok=True)
        real, deaths = shutil.which("git"), self.folder / "deaths"
        deaths.write_text("")
        told = {"REAL": str(real), "DEATHS": str(deaths), "COMMAND": command.replace(" ", "\\ ")}
        told |= {"TIMES": str(times), "MANNER": manner}
        text = SHIM
        for name, value in told.items():
            text = text.replace(name, value)
        shim = self.folder / "git"
        shim.write_text(text)
        shim.chmod(0o755)
        self.monkeypatch.setenv("PATH", f"{self.folder}:{os.environ['PATH']}")


@pytest.fixture
def dying_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DyingGit:
    """A git that can be killed."""
    return DyingGit(tmp_path / "dying", monkeypatch)
