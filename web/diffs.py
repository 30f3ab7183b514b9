"""Diffs: a unified diff as lines with their numbers, and the words that have changed in them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from unicodedata import category

HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
WORD = re.compile(r"\w+|\s+|[^\w\s]")
MOST_LINES = 2_000
"""Lines of a diff that are shown; the gate takes no more than a sixth of it."""
ALIKE = 0.4
"""How alike two lines must be, in [0, 1], before single words of them are shown as changed."""


@dataclass(frozen=True)
class Piece:
    """A part of a line, and whether it has changed."""

    text: str
    is_changed: bool = False


@dataclass(frozen=True)
class Line:
    """One line: sign "+", "-", " ", or "@" for what names the place."""

    sign: str
    number: int | None
    pieces: Sequence[Piece]


def lines(diff: str) -> list[Line]:
    """Return a diff line by line, what was taken out before what was put in."""
    found: list[Line] = []
    removed: list[Line] = []
    added: list[Line] = []
    for line in _read(diff):
        if line.sign == "-":
            removed.append(line)
        elif line.sign == "+":
            added.append(line)
        else:
            found += _marked(removed, added)
            removed, added = [], []
            found.append(line)
    return (found + _marked(removed, added))[:MOST_LINES]


def _read(diff: str) -> Iterator[Line]:
    """Yield every line that means anything; inside of a hunk its lengths say how far it goes."""
    path, old, new, old_left, new_left = "", 0, 0, 0, 0
    for text in diff.removesuffix("\n").split("\n"):
        sign, rest = text[:1] or " ", text[1:]
        if old_left + new_left > 0 and sign in "-+ ":
            yield _line(sign, old if sign == "-" else new, rest)
            is_old, is_new = sign != "+", sign != "-"
            old, new = old + is_old, new + is_new
            old_left, new_left = old_left - is_old, new_left - is_new
        elif hunk := HUNK.match(text):
            old, new, old_left, new_left = (int(hunk[n] or 1) for n in (1, 3, 2, 4))
            yield _line("@", None, f"{path}, from line {new or 1}")
        elif text.startswith("+++ "):
            path = rest[3:].removeprefix("b/")
        elif text and not text.startswith(("--- a/", "diff --git ", "index ")):
            yield _line("@", None, text)


def _line(sign: str, number: int | None, text: str) -> Line:
    return Line(sign, number, [Piece(visible(text))])


def visible(text: str) -> str:
    """Return a text in which nothing hides: what turns or joins letters is spelled out."""
    return "".join(one if _is_plain(one) else f"\\u{ord(one):04x}" for one in text)


def _is_plain(one: str) -> bool:
    return one in "\t " or category(one) not in ("Cc", "Cf", "Zl", "Zp", "Co", "Cs")


def _marked(removed: list[Line], added: list[Line]) -> list[Line]:
    """Return both, with the changed words of lines that stand opposite to each other."""
    if len(removed) != len(added):
        return removed + added
    pairs = [_words(a, b) for a, b in zip(removed, added, strict=True)]
    return [a for a, _ in pairs] + [b for _, b in pairs]


def _words(old: Line, new: Line) -> tuple[Line, Line]:
    before, after = WORD.findall(_text(old)), WORD.findall(_text(new))
    match = SequenceMatcher(None, before, after, autojunk=False)
    if match.ratio() < ALIKE:
        return old, new
    left: list[Piece] = []
    right: list[Piece] = []
    for kind, a, b, c, d in match.get_opcodes():
        is_changed = kind != "equal"
        left += [Piece("".join(before[a:b]), is_changed)] if b > a else []
        right += [Piece("".join(after[c:d]), is_changed)] if d > c else []
    return Line("-", old.number, left), Line("+", new.number, right)


def _text(line: Line) -> str:
    return "".join(piece.text for piece in line.pieces)


def counts(diff: str) -> tuple[int, int, int]:
    """Return how many files a diff changes, how many lines it adds, and how many it removes."""
    found = list(_read(diff))
    files = len({_text(one).rpartition(", from line")[0] for one in found if one.sign == "@"})
    return files, sum(one.sign == "+" for one in found), sum(one.sign == "-" for one in found)
