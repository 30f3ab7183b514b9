"""Reading a unified diff strictly: what is not understood to the last line is refused.

`git apply` drops a leading `/`, and takes links, modes and binary files without a word.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from agora.domain.errors import AgoraError

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_NOWHERE = "/dev/null"
_FORBIDDEN = {
    "old mode": "mode_change",
    "new mode": "mode_change",
    "similarity index": "rename",
    "dissimilarity index": "rename",
    "rename from": "rename",
    "rename to": "rename",
    "copy from": "rename",
    "copy to": "rename",
    "GIT binary patch": "binary",
    "Binary files": "binary",
}


class PatchError(AgoraError):
    """A diff breaks a rule before its content is even looked at."""

    def __init__(self, rule: str, message: str) -> None:
        """Name the rule and say what broke it, with the line of the diff."""
        super().__init__(message)
        self.rule = rule


@dataclass(frozen=True)
class Hunk:
    """Lines that stand in a file from `start` on, and those that are to stand there."""

    start: int  # 1 for the first line; 0 in an empty file
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True)
class FilePatch:
    """The hunks of one file; its path is inside of the tree."""

    path: str
    is_new: bool
    is_deleted: bool
    hunks: tuple[Hunk, ...]
    added: int

    def applied(self, content: str | None) -> str:
        """Return the patched text; raise PatchError where the old lines are not there."""
        if (content is None) != self.is_new:
            raise PatchError("applies", f"{self.path}: {'exists' if content else 'does not exist'}")
        old = re.findall(r"[^\n]*\n|[^\n]+", content or "")
        lines, taken = list[str](), 0
        for hunk in self.hunks:
            start = max(hunk.start - 1, 0) if hunk.old else hunk.start
            if start < taken or tuple(old[start : start + len(hunk.old)]) != hunk.old:
                raise PatchError("applies", f"{self.path}:{hunk.start}: other lines stand there")
            lines += old[taken:start] + list(hunk.new)
            taken = start + len(hunk.old)
        return "".join(lines + old[taken:])


def parse(diff: str) -> tuple[FilePatch, ...]:
    """Return the patches of all files in a diff; raise PatchError for anything unusual."""
    reader = _Reader(diff.split("\n"))
    patches = []
    while reader.skip_blank():
        patches.append(reader.file())
    if not patches:
        raise PatchError("noop", "the diff is empty")
    paths = [patch.path for patch in patches]
    if len(set(paths)) < len(paths):
        raise PatchError("format", "the diff names a file twice")
    return tuple(patches)


def apply(patches: tuple[FilePatch, ...], tree: Mapping[str, str]) -> dict[str, str]:
    """Return the new text of each patched file, "" for one that is deleted."""
    return {patch.path: patch.applied(tree.get(patch.path)) for patch in patches}


class _Reader:
    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.at = 0

    def skip_blank(self) -> bool:
        while self.at < len(self.lines) and not self.lines[self.at].strip():
            self.at += 1
        return self.at < len(self.lines)

    def peek(self) -> str:
        return self.lines[self.at] if self.at < len(self.lines) else ""

    def file(self) -> FilePatch:
        named = self._header()
        old, new = self._side("--- ", "a/"), self._side("+++ ", "b/")
        path = new if old == _NOWHERE else old
        if old != new and _NOWHERE not in (old, new) or named not in (None, path):
            raise self._bad("rename", f"renames {named or old} to {new}")
        hunks, added = [], 0
        while self.peek().startswith("@@"):
            hunk, more = self._hunk()
            hunks.append(hunk)
            added += more
        if not hunks:
            raise self._bad("format", f"{path} has no hunk")
        return FilePatch(path, old == _NOWHERE, new == _NOWHERE, tuple(hunks), added)

    def _header(self) -> str | None:
        """Read git's own lines above a file; return the path that they name."""
        named = None
        while not self.peek().startswith("--- "):
            line = self.peek()
            for words, rule in _FORBIDDEN.items():
                if line.startswith(words):
                    raise self._bad(rule, f"`{line[:60]}` is not allowed")
            if line.startswith("diff --git ") and named is None:
                named = self._named(line.removeprefix("diff --git "))
            elif line.startswith(("new file mode", "deleted file mode")):
                if not line.endswith(" 100644"):
                    raise self._bad("mode_change", f"`{line}`: only plain files")
            elif not line.startswith("index "):
                raise self._bad("format", f"`{line[:60]}` is not part of a unified diff")
            elif line[-6:].isdigit() and " " in line[6:] and line[-6:] != "100644":
                raise self._bad("mode_change", f"`{line}`: only plain files")
            self.at += 1
        return named

    def _named(self, names: str) -> str:
        half = len(names) // 2
        old, new = names[:half], names[half + 1 :]
        if old.removeprefix("a/") != new.removeprefix("b/"):
            raise self._bad("rename", f"`{names[:60]}` names two files")
        return self._inside(old, "a/")

    def _side(self, mark: str, prefix: str) -> str:
        line = self.peek()
        if not line.startswith(mark):
            raise self._bad("format", f"`{mark.strip()}` is missing")
        path = line.removeprefix(mark).split("\t")[0]
        if path != _NOWHERE:
            path = self._inside(path, prefix)
        self.at += 1
        return path

    def _inside(self, path: str, prefix: str) -> str:
        """Return a path without its prefix if it surely lies inside of the tree."""
        inner = path.removeprefix(prefix)
        parts = inner.split("/")
        odd = any(part in ("", ".", "..") for part in parts) or any(c in inner for c in '"\\\0')
        if not path.startswith(prefix) or odd or PurePosixPath(inner).is_absolute():
            raise self._bad("path", f"{path} is not a path inside of the tree")
        return inner

    def _hunk(self) -> tuple[Hunk, int]:
        head = _HUNK.match(self.peek())
        if head is None:
            raise self._bad("format", "a hunk's head cannot be read")
        self.at += 1
        start, wanted_old, wanted_new = int(head[1]), int(head[2] or 1), int(head[4] or 1)
        old, new, added = list[str](), list[str](), 0
        while len(old) < wanted_old or len(new) < wanted_new or self.peek().startswith("\\"):
            sign, text = self.peek()[:1], self.peek()[1:] + "\n"
            if sign == "\\":
                self._without_newline(old, new, self.lines[self.at - 1][:1])
            elif sign in (" ", "-", "+"):
                old += [text] if sign != "+" else []
                new += [text] if sign != "-" else []
                added += sign == "+"
            else:
                raise self._bad("format", "a hunk is cut short")
            self.at += 1
        if (len(old), len(new)) != (wanted_old, wanted_new):
            raise self._bad("format", "a hunk is longer than its head says")
        return Hunk(start, tuple(old), tuple(new)), added

    def _without_newline(self, old: list[str], new: list[str], sign: str) -> None:
        for side, signs in ((old, " -"), (new, " +")):
            if sign in signs and side:
                side[-1] = side[-1].removesuffix("\n")

    def _bad(self, rule: str, why: str) -> PatchError:
        return PatchError(rule, f"line {self.at + 1} of the diff: {why}")
