"""Which tests reach a file: those from which a chain of imports leads to it, the shortest first.

Read from the sources alone: nothing of the workspace runs to find out. After Rothermel, Harrold,
"A Safe, Efficient Regression Test Selection Technique", ACM TOSEM 6(2), 1997, but not safe: what
is reached by names at run time only is not seen.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from agora.domain import git
from agora.domain.repair.trials import TestRun
from agora.domain.repair.workspace import TestCommand

RECENT = (1, 4)  # so many of the newest commits are looked at, then as many before them
LEAST = 5  # test files next to a path, as far as there are so many
SUFFIX, PACKAGE = ".py", "__init__.py"
# A parser takes seconds for what these take milliseconds; a word too many leads to no file.
IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]*(\([^)]*\)|(?:\\\n|[^\n])*)"
    r"|import[ \t]+((?:\\\n|[^\n])*))",
    re.MULTILINE,
)
WORD = re.compile(r"[^\W\d][\w.]*")


def tests(tree: Path, command: TestCommand) -> tuple[str, ...]:
    """Return the files of a tree that a command finds tests in."""
    within = [PurePosixPath(one.partition("::")[0]) for one in command.places]
    found = (path for path in python_files(tree) if _is_test_file(path))
    return tuple(
        path
        for path in found
        if not within or any(PurePosixPath(path).is_relative_to(place) for place in within)
    )


def recent(root: Path) -> list[tuple[str, ...]]:
    """Return the Python files that the newest commit has touched, and those of some before it."""
    found, skip = [], 0
    for many in RECENT:
        span = (f"--skip={skip}", f"-{many}", "--format=", "--name-only", "--no-renames", "-z")
        names = (name.strip() for name in git.read(root, "log", *span).split("\0"))
        found.append(tuple(dict.fromkeys(name for name in names if name.endswith(SUFFIX))))
        skip += many
    return found


def seen(before: TestRun) -> tuple[str, ...]:
    """Return the files that failing tests lead to, those of the tests among them."""
    places = [name.partition("::")[0] for name in before.failing]
    frames = [path for one in before.failures.values() for path, _ in one.frames]
    return tuple(dict.fromkeys([*places, *frames]))


def near(
    tree: Path, among: Sequence[str], paths: Sequence[str], most: int, least: int = LEAST
) -> tuple[str, ...]:
    """Return at most so many test files: those next to each path by imports, `least` if it can."""
    importers, found = _importers(tree), dict[str, None]()
    for path in paths:
        found |= dict.fromkeys(_nearest(importers, set(among), path, least))
    return tuple(found)[:most]


def _nearest(importers: dict[str, set[str]], among: set[str], path: str, least: int) -> list[str]:
    """Return all test files at the shortest distance by imports, and of others a few more."""
    known, ring, found = {path}, {path}, list[str]()
    while ring and len(found) < least:
        reached = sorted(ring & among, key=lambda one: (-_kinship(one, path), one))
        found += reached[: least - len(found)] if found else reached
        ring = {one for each in ring for one in importers.get(each, ())} - known
        known |= ring
    return found


def _kinship(one: str, other: str) -> int:
    """Return how many folders two paths share, wherever they stand in them."""
    return len(set(PurePosixPath(one).parent.parts) & set(PurePosixPath(other).parent.parts))


def _importers(tree: Path) -> dict[str, set[str]]:
    """Return for each file of a tree those that import it."""
    files, found = set(python_files(tree)), dict[str, set[str]]()
    for path in files:
        for name in _imported(tree, path):
            for place in _places(path, name):
                if place in files and place != path:
                    found.setdefault(place, set()).add(path)
    return found


def _imported(tree: Path, path: str) -> Iterator[str]:
    """Yield the names of modules that a file imports, and of what may be one."""
    try:
        source = (tree / path).read_text("utf-8", "replace")
    except OSError:
        return
    for module, members, plain in IMPORT.findall(source):
        if plain:
            yield from WORD.findall(plain)
            continue
        level = len(module) - len(module.lstrip("."))
        above = ".".join(PurePosixPath(path).parts[:-level]) if level else ""
        name = ".".join(filter(None, [above, module[level:]]))
        yield name
        yield from (f"{name}.{member}" for member in WORD.findall(members))


def _places(path: str, name: str) -> Iterator[str]:
    """Yield the files that a name may stand for: below the tree, `src`, or beside who imports."""
    parts = name.split(".")
    for above in ("", "src", str(PurePosixPath(path).parent)):
        place = PurePosixPath(above, *parts)
        yield f"{place}{SUFFIX}"
        yield str(place / PACKAGE)


def python_files(tree: Path) -> Iterable[str]:
    """Return the paths of a tree's Python files, links left out."""
    found = (path for path in tree.rglob(f"*{SUFFIX}") if not path.is_symlink())
    return sorted(str(path.relative_to(tree)) for path in found)


def _is_test_file(path: str) -> bool:
    name = PurePosixPath(path).name
    return fnmatch(name, "test_*.py") or fnmatch(name, "*_test.py")
