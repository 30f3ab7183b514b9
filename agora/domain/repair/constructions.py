"""What the Meta-Architect builds: files anew, with tests that only they make pass."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from agora.domain.contracts import Contract, Verdict
from agora.domain.repair.diffs import unified
from agora.domain.repair.patches import FilePatch, parse
from agora.domain.repair.territory import is_test
from agora.domain.repair.trials import TestRun

ROLLBACK = ".rollback.sql"


class Survey(Contract):
    """Which files of the index an expert wants to read before it builds."""

    paths: tuple[str, ...] = Field(default=(), max_length=12)


class Written(Contract):
    """One file as it is to be."""

    path: str = Field(min_length=1, max_length=300)
    content: str = Field(max_length=30_000)


class Construction(Contract):
    """What an expert builds for a goal."""

    why: str = Field(default="", max_length=600)
    files: tuple[Written, ...] = Field(min_length=1, max_length=12)


def diff_to(tree: Path, built: Construction) -> str:
    """Return the diff that writes these files; raise ValueError for a path outside of the tree."""
    changed = {}
    for one in built.files:
        place = tree / one.path
        if not place.resolve().is_relative_to(tree.resolve()) or one.path.startswith(("/", ".")):
            raise ValueError(f"{one.path}: not inside of the workspace")
        old = place.read_bytes() if place.is_file() else b""
        text = one.content if one.content.endswith("\n") else f"{one.content}\n"
        if text.encode() != old:
            changed[one.path] = (old, text.encode())
    diff = unified(changed)
    for path, (old, _) in changed.items():
        if not old:
            diff = diff.replace(f"--- a/{path}\n", "new file mode 100644\n--- /dev/null\n")
    return diff


def adds_test(patch: FilePatch) -> bool:
    """Return whether a patch adds a file of tests; those that are there stay as they are."""
    return patch.is_new and is_test(patch.path) and patch.path.endswith(".py")


def tests_of(diff: str) -> tuple[FilePatch, ...]:
    """Return the files of tests that a diff adds."""
    return tuple(patch for patch in parse(diff) if adds_test(patch))


def migrations_of(diff: str) -> list[tuple[FilePatch, FilePatch | None]]:
    """Return the SQL migrations that a diff adds, each with its rollback."""
    added = {patch.path: patch for patch in parse(diff) if patch.path.endswith(".sql")}
    ups = [path for path in added if not path.endswith(ROLLBACK)]
    return [(added[up], added.get(up.removesuffix(".sql") + ROLLBACK)) for up in sorted(ups)]


def target(base: TestRun, with_tests: TestRun, added: tuple[FilePatch, ...]) -> TestRun | Verdict:
    """Return what must pass with the construction: all that did, and the new tests.

    A verdict instead: the new tests pass without it, so they prove nothing.
    """
    files = {patch.path for patch in added}
    fresh = {name for name in with_tests.failing if name.partition("::")[0] in files}
    idle = files - {name.partition("::")[0] for name in fresh}
    if idle:
        why = f"{min(idle)} passes without what it is to test"
        return Verdict(verdict="refuse", rule="idle_tests", reason=why)
    known = set(base.failing)
    outcomes = {name: what for name, what in with_tests.outcomes.items() if name not in known}
    return with_tests.model_copy(update={"outcomes": outcomes})


def applied_to(texts: Mapping[str, str], patches: tuple[FilePatch, ...]) -> dict[str, str]:
    """Return the new texts of some files."""
    return {one.path: one.applied(None if one.is_new else texts[one.path]) for one in patches}
