"""Edits as a unified diff in git's manner."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

from agora.domain.repair.source import Edit, Source


def diff_of(tree: Path, edits: Sequence[Edit]) -> str:
    """Return the diff that these edits make against a tree."""
    changed: dict[str, tuple[bytes, bytes]] = {}
    for path in dict.fromkeys(edit.path for edit in edits):
        old = (tree / path).read_bytes()
        parts = tuple(part for edit in edits if edit.path == path for part in edit.parts)
        changed[path] = old, Source(path, old).edited(parts)
    return unified(changed)


def unified(changed: Mapping[str, tuple[bytes, bytes]]) -> str:
    """Return one diff of several files, given what each was and is."""
    return "".join(_file(path, old.decode(), new.decode()) for path, (old, new) in changed.items())


def _file(path: str, old: str, new: str) -> str:
    before, after = (text.split("\n") for text in (old, new))
    lines = [[f"{line}\n" for line in text[:-1]] + _last(text[-1]) for text in (before, after)]
    hunks = difflib.unified_diff(lines[0], lines[1], f"a/{path}", f"b/{path}")
    return f"diff --git a/{path} b/{path}\n" + "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in hunks
    )


def _last(line: str) -> list[str]:
    return [line] if line else []
