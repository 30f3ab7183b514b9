"""The folder under repair: a git work tree that we read, copy and never write.

What is searched and tested is always a copy of one commit; the person's tree stays untouched.
"""

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from agora.domain import git
from agora.domain.errors import DirtyWorkspaceError, WorkspaceError
from agora.domain.repair.interpreters import OWN, Interpreter, interpreter_of
from agora.domain.repair.territory import OWN_MARKS

UNFINISHED = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}
# Slow to load, and without effect where the workspace never speaks of them: word → plugin
PLUGINS = {
    "asyncio": "asyncio",
    "anyio": "anyio",
    "hypothesis": "hypothesispytest",
    "langsmith": "langsmith_plugin",
    "platformdirs": "platformdirs",
}
# Options of pytest whose value is the next word: it names no test, even if there is such a file
VALUED = ("-c", "-k", "-m", "-n", "-o", "-p", "-r", "-W", "--ignore", "--deselect", "--rootdir")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_PYTHON = re.compile(r"python(3(\.\d+)?)?")


@dataclass(frozen=True)
class Workspace:
    """A clean git work tree, at one commit of one branch."""

    root: Path
    head: str
    branch: str


@dataclass(frozen=True)
class TestCommand:
    """How a workspace's tests are run: pytest's arguments, under the Python that owns it."""

    __test__ = False  # pytest collects classes by name, and this one is no test

    text: str
    root: Path
    interpreter: Interpreter
    arguments: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()  # plugins of pytest that need not load
    is_module: bool = False  # `python -m pytest` also imports from the current folder
    env: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, workspace: Workspace) -> "TestCommand":
        """Understand `pytest …` or `python -m pytest …`; raise WorkspaceError for anything else."""
        env, words = _split(text)
        program, *arguments = words or [""]
        name = Path(program).name
        is_module = bool(_PYTHON.fullmatch(name)) and arguments[:2] == ["-m", "pytest"]
        if not is_module and name not in ("pytest", "py.test"):
            raise WorkspaceError(
                f"the test command must start with pytest or python -m pytest, not {text!r}",
                'for example: --test "pytest -q"',
            )
        rest = tuple(arguments[2:] if is_module else arguments)
        python, idle = _find(program, workspace.root), _idle(workspace)
        return cls(text, workspace.root, python, rest, idle, is_module, env)

    @property
    def places(self) -> tuple[str, ...]:
        """Return the files, folders and tests that it names; none stands for all."""
        return tuple(word for word, is_place in self._words() if is_place)

    def on(self, files: Sequence[str]) -> "TestCommand":
        """Return the command for these files of tests only; its options stay."""
        options = (word for word, is_place in self._words() if not is_place)
        return replace(self, arguments=(*options, *files))

    def _words(self) -> Iterator[tuple[str, bool]]:
        for before, word in zip(("", *self.arguments), self.arguments, strict=False):
            is_free = not word.startswith("-") and before not in VALUED
            yield word, is_free and (self.root / word.partition("::")[0]).exists()

    @property
    def readable(self) -> tuple[Path, ...]:
        """Return the folders that a sandbox must show beside the tree."""
        return self.interpreter.readable(self.root)


def open_workspace(path: Path) -> Workspace:
    """Return the clean work tree at this path.

    Raises WorkspaceError or DirtyWorkspaceError, in one sentence, where there is none that can be
    worked on. Untracked files are no obstacle: they are not part of what is tested.
    """
    root = path.expanduser().absolute()
    if not root.is_dir():
        raise WorkspaceError(f"{path}: there is no such folder")
    _require_top(root)
    _require_rest(root)
    _require_clean(root)
    branch = git.read(root, "symbolic-ref", "--short", "HEAD")
    return Workspace(root, git.read(root, "rev-parse", "HEAD"), branch)


def pristine(workspace: Workspace, commit: str, target: Path) -> Path:
    """Write this commit's files, and nothing else, into `target` and return it.

    Git's own checkout writes them: links, binary files and odd names stay as they are.
    """
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="agora-index-") as folder:
        env = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        # Not `read`: a second look would find the lock of the first one.
        git.run(workspace.root, ("read-tree", commit), env=env)
        git.read(workspace.root, "checkout-index", "-a", "-f", f"--prefix={target}/", env=env)
    return target


def _require_top(root: Path) -> None:
    try:
        if git.read(root, "rev-parse", "--is-bare-repository") == "true":
            raise WorkspaceError(f"{root}: is a bare repository, without files to repair")
        top = Path(git.read(root, "rev-parse", "--show-toplevel"))
    except git.GitError as error:
        if "not a git repository" not in str(error):
            raise
        raise WorkspaceError(
            f"{root}: is not a git repository", 'git init && git add -A && git commit -m "Start"'
        ) from None
    if top.resolve() != root.resolve():
        raise WorkspaceError(f"{root}: lies inside of the repository {top}", f"name {top} instead")


def _require_rest(root: Path) -> None:
    """Refuse a repository without a commit, off any branch, or in the middle of something."""
    folder = Path(git.read(root, "rev-parse", "--absolute-git-dir"))
    for mark, activity in UNFINISHED.items():
        if (folder / mark).exists():
            raise WorkspaceError(
                f"{root}: a {activity} is in progress",
                f"finish it, or git {activity} {'reset' if activity == 'bisect' else '--abort'}",
            )
    if not _says(root, "rev-parse", "--verify", "--quiet", "HEAD"):
        raise WorkspaceError(f"{root}: has no commit yet", 'git add -A && git commit -m "Start"')
    if not _says(root, "symbolic-ref", "--quiet", "HEAD"):
        raise WorkspaceError(f"{root}: is on no branch (detached HEAD)", "git switch -c NAME")


def _require_clean(root: Path) -> None:
    arguments = ("status", "--porcelain", "-z", "--untracked-files=no")
    changed = [entry[3:] for entry in git.read(root, *arguments).split("\0") if entry]
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise DirtyWorkspaceError(
            f"{root}: {changed[0]}{more} has uncommitted changes", "commit or stash them first"
        )


def _says(root: Path, *arguments: str) -> bool:
    try:
        return bool(git.read(root, *arguments))
    except git.GitError:
        return False


def _idle(workspace: Workspace) -> tuple[str, ...]:
    """Return the slow plugins that no file of the workspace names."""
    try:
        pattern = "|".join(PLUGINS)
        found = git.read(workspace.root, "grep", "-h", "-o", "-I", "-E", pattern, workspace.head)
    except git.GitError:  # git's way to say that there is nothing
        found = ""
    named = set(found.splitlines())
    return tuple(plugin for word, plugin in PLUGINS.items() if word not in named)


def _split(text: str) -> tuple[dict[str, str], list[str]]:
    """Split a command into leading assignments and words; no shell will see it."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise WorkspaceError(f"the test command {text!r} cannot be read: {error}") from None
    env: dict[str, str] = {}
    while words and (assignment := _ASSIGNMENT.fullmatch(words[0])):
        env[assignment[1]] = assignment[2]
        words = words[1:]
    return env, words


def _find(program: str, root: Path) -> Interpreter:
    """Return the Python of a program: the workspace's own, that on PATH, or ours.

    A copy of Agora's own checkout needs what Agora needs: without a Python of its own, ours.
    """
    if "/" in program:
        places: list[str | Path] = [root / Path(program).expanduser()]
    else:
        local = [root / venv / "bin" / program for venv in (".venv", "venv")]
        is_own = all((root / mark).is_file() for mark in OWN_MARKS)
        places = [*local, "" if is_own else shutil.which(program) or ""]
    for place in places:
        if not place or not os.access(place, os.X_OK) or Path(place).is_dir():
            continue
        found = interpreter_of(Path(place))
        if found is not None and found.has_pytest:
            return found
        if "/" in program:
            raise WorkspaceError(f"the Python of {program} has no pytest", "pip install pytest")
    if "/" in program:
        raise WorkspaceError(f"the test command {program} does not exist")
    return OWN
