"""Edits as a unified diff in git's manner."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

from agora.domain.repair.source import Edit, Part, Source


def diff_of(tree: Path, edits: Sequence[Edit]) -> str:
    """Return the diff that these edits make against a tree."""
    new = contents(tree, edits)
    return unified({path: ((tree / path).read_bytes(), new[path]) for path in new})


def contents(tree: Path, edits: Sequence[Edit]) -> dict[str, bytes]:
    """Return what edited files hold, by path."""
    parts: dict[str, tuple[Part, ...]] = {}
    for edit in edits:
        parts[edit.path] = (*parts.get(edit.path, ()), *edit.parts)
    return {path: Source(path, (tree / path).read_bytes()).edited(parts[path]) for path in parts}


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
