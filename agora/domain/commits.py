"""Bringing a diff into a git workspace, so that a kill at any instant leaves nothing undecided.

The branch moves first, by compare-and-swap; before that nobody can see anything of the change,
after it only the files of the diff are behind, and bringing them up bears repeating. All that
writes needs an open act of kind `commit`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from agora.domain import git
from agora.domain.contracts import Change
from agora.domain.errors import BaseMovedError, DirtyWorkspaceError
from agora.domain.git import GitError


def build(change: Change) -> str:
    """Build the commit as loose objects that no branch reaches; the same sha every time."""
    with TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": f"{folder}/index"}
        git.write(change.workspace, "read-tree", change.base, env=index)
        git.write(change.workspace, "apply", "--cached", "-", stdin=change.diff, env=index)
        tree = git.write(change.workspace, "write-tree", env=index)
    dates = {"GIT_AUTHOR_DATE": change.at, "GIT_COMMITTER_DATE": change.at}
    command = ["commit-tree", tree, "-p", change.base]
    return git.write(change.workspace, *command, stdin=message(change), env=dates)


def commit_files(workspace: Path, files: Mapping[str, str], message: str) -> str:
    """Write and commit files as a person would, in a new repository if there is none.

    Bears repeating.
    """
    for name, text in files.items():
        (workspace / name).write_text(text, "utf-8")
    if not (workspace / ".git").exists():
        git.write(workspace, "init", "--quiet", "--initial-branch", "main")
    git.write(workspace, "add", "--", *files)
    if git.read(workspace, "status", "--porcelain", "--untracked-files=no"):
        git.write(workspace, "commit", "--quiet", "--no-gpg-sign", "--message", message)
    return head(str(workspace))


def message(change: Change) -> str:
    """Return the commit's message: a title, and trailers by which others find the approval."""
    title = change.title or f"{'Revert' if change.takes_back else 'Patch'} {change.subject}"
    told = {"Change": change.id, "Digest": change.digest, "Takes-Back": change.takes_back}
    told |= {
        "Approved-By": " ".join(change.approved_by.split()),
        "Decision": str(change.decision or ""),
    }
    trailers = [f"Agora-{name}: {value}\n" for name, value in told.items() if value]
    return f"{title}\n\n{''.join(trailers)}"


def head(workspace: str) -> str:
    """Return the commit that the workspace stands on."""
    return git.read(workspace, "rev-parse", "HEAD")


def reversal(workspace: str, commit: str) -> str:
    """Return the diff that takes a commit back."""
    return git.read(workspace, "diff", "--no-ext-diff", "--no-renames", commit, f"{commit}^") + "\n"


def contains(change: Change, sha: str) -> bool:
    """Return whether the branch has the commit, as its head or further down."""
    try:
        return git.read(change.workspace, "merge-base", sha, "HEAD") == sha
    except GitError:
        return False  # no common history: it was never here


def refuse_dirty(change: Change, sha: str) -> None:
    """Raise DirtyWorkspaceError if a person has work here that nobody has committed."""
    tracked = git.read(change.workspace, "status", "--porcelain", "--untracked-files=no")
    untracked = git.read(change.workspace, "ls-files", "--others", "--", *paths(change, sha))
    if tracked or untracked:
        raise DirtyWorkspaceError(
            f"{change.workspace} has uncommitted work: {' '.join((tracked or untracked).split())}",
            "commit or stash it, then approve again",
        )


def move_branch(change: Change, sha: str) -> None:
    """Keep the base under a ref of ours, then swap the branch; raise BaseMovedError."""
    git.write(change.workspace, "update-ref", f"refs/agora/before/{change.id}", change.base)
    note = f"agora: {change.id}"
    try:
        git.write(change.workspace, "update-ref", "-m", note, "HEAD", sha, change.base)
    except GitError:
        # A lock in the way fails too, and says nothing of the base.
        if head(change.workspace) == change.base:
            raise
        raise BaseMovedError(f"{change.workspace} has moved on from {change.base[:12]}") from None


def bring_up(change: Change, sha: str) -> None:
    """Bring index and files of the change to the commit, unless the branch went on without us."""
    if head(change.workspace) != sha:
        return
    behind = [path for path in paths(change, sha) if _is_behind(change, sha, path)]
    for path in behind:
        _bring_file(change, sha, path)
    if behind:
        git.write(change.workspace, "restore", f"--source={sha}", "--staged", "--", *behind)


def paths(change: Change, sha: str) -> list[str]:
    """Return every path that the change adds, alters or removes."""
    command = ["diff", "--name-only", "--no-renames", "-z", change.base, sha]
    names = git.read(change.workspace, *command).rstrip("\0")
    return names.split("\0") if names else []


@dataclass(frozen=True)
class _Place:
    """One path of a change: what is there, and what was there before and is to be after."""

    here: str
    before: str
    after: str


def _is_behind(change: Change, sha: str, path: str) -> bool:
    """Return whether the path is not as in the commit; raise if a person has changed it since."""
    status = ["status", "--porcelain", "--untracked-files=all", "--", path]
    if not git.read(change.workspace, *status):
        return False
    place = _look(change, sha, path)
    if place.here not in (place.before, place.after):
        raise DirtyWorkspaceError(
            f"{change.workspace}: {path} is neither as before the change nor as after it",
            f"the change itself is committed ({sha[:12]}); bring the file up by hand",
        )
    return True


def _look(change: Change, sha: str, path: str) -> _Place:
    def blob(commit: str) -> str:
        return git.read(change.workspace, "ls-tree", "--format=%(objectname)", commit, "--", path)

    target = Path(change.workspace, path)
    here = git.read(change.workspace, "hash-object", "--", path) if target.exists() else ""
    return _Place(here, blob(change.base), blob(sha))


def _bring_file(change: Change, sha: str, path: str) -> None:
    # Not `git restore --worktree`: killed, it leaves the file missing or cut short.
    target = Path(change.workspace, path)
    mode = git.read(change.workspace, "ls-tree", "--format=%(objectmode)", sha, "--", path)
    if not mode:
        target.unlink(missing_ok=True)
        return
    content = git.run(change.workspace, ("cat-file", "--filters", f"{sha}:{path}"))
    fresh = Path(git.read(change.workspace, "rev-parse", "--absolute-git-dir"), f"agora-{sha}")
    fresh.write_bytes(content)
    if mode == "100755":
        fresh.chmod(fresh.stat().st_mode | 0o111)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh.replace(target)
