"""Where a workspace's branch stands, and the way back there that loses no work.

Going back needs an open act of kind `commit`. What stood there stays under a ref of its own.
"""

from collections.abc import Mapping

from agora.domain import commits, git
from agora.domain.git import GitError

Place = Mapping[str, str]
"""`head`, a commit, and `branch`, a ref; "" where the head is detached, or there is none."""
KEPT = "refs/agora/before-restore"


def place(workspace: str) -> dict[str, str]:
    """Return where a workspace stands."""
    try:
        head = commits.head(workspace)
    except (GitError, OSError):
        return {"head": "", "branch": ""}
    try:
        return {"head": head, "branch": git.read(workspace, "symbolic-ref", "--quiet", "HEAD")}
    except GitError:
        return {"head": head, "branch": ""}


def obstacle(workspace: str, then: Place) -> str:
    """Return why a workspace cannot go back to a place; "": it can, or it stands there."""
    now = place(workspace)
    if not then["head"] or now == then:
        return ""
    if not now["head"]:
        return f"{workspace} is gone, or no repository any more"
    if now["branch"] != then["branch"]:
        return f"{workspace} was on {_short(then)}, and is on {_short(now)}"
    try:
        git.read(workspace, "cat-file", "-e", f"{then['head']}^{{commit}}")
    except GitError:
        return f"{workspace} does not have the commit {then['head'][:12]} any more"
    if dirty := git.read(workspace, "status", "--porcelain", "--untracked-files=no"):
        return f"{workspace} has uncommitted work: {' '.join(dirty.split())}"
    return ""


def go_back(workspace: str, then: Place, name: str) -> str:
    """Let a workspace stand where it stood; return the ref under which what is now is kept.

    Raises GitError where files that are in no commit stand in the way. Bears repeating.
    """
    if not then["head"]:
        return ""
    now, kept = place(workspace), f"{KEPT}/{name}"
    if now == then:  # it always did, or a git went back and was killed before it said so
        return git.read(workspace, "for-each-ref", "--format=%(refname)", kept)
    git.write(workspace, "update-ref", kept, now["head"])
    git.write(workspace, "reset", "--quiet", "--keep", then["head"])
    return kept


def _short(one: Place) -> str:
    return one["branch"].removeprefix("refs/heads/") or "no branch"
