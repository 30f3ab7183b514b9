"""Prose: a model's text as paragraphs, lists, tables and code; templates escape every piece."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

ITEM = re.compile(r"\s*(?:[-*•]|\d{1,3}[.)])\s+(.*)")
RULE = re.compile(r"\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*$")
INLINE = re.compile(r"`([^`\n]+)`|\*\*([^*\n]+)\*\*")
HEADING = re.compile(r"#{1,6}\s+(.*)")


@dataclass(frozen=True)
class Block:
    """One piece of a text: p, h, list, code or table."""

    kind: str
    text: str = ""
    items: Sequence[str] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = field(default=())


@dataclass(frozen=True)
class Piece:
    """A part of a line: plain, strong or code."""

    kind: str
    text: str


def pieces(text: str) -> list[Piece]:
    """Return a line with what is strong or code in it."""
    found, at = [], 0
    for match in INLINE.finditer(text):
        found += [Piece("plain", text[at : match.start()])] if match.start() > at else []
        found.append(Piece("code", match[1]) if match[1] else Piece("strong", match[2]))
        at = match.end()
    return found + ([Piece("plain", text[at:])] if at < len(text) else [])


def blocks(text: str) -> list[Block]:
    """Return the pieces of a text; what is no list, table or code is a paragraph."""
    return list(_blocks(text.splitlines()))


def _blocks(lines: list[str]) -> Iterator[Block]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.lstrip().startswith("```"):
            end = _until(lines, at + 1, lambda one: one.lstrip().startswith("```"))
            yield Block("code", "\n".join(lines[at + 1 : end]))
            at = end + 1
        elif "|" in line and at + 1 < len(lines) and RULE.match(lines[at + 1]):
            end = _until(lines, at + 2, lambda one: "|" not in one)
            rows = [_cells(one) for one in lines[at + 2 : end]]
            yield _table(_cells(line), rows)
            at = end
        elif heading := HEADING.match(line):
            yield Block("h", heading[1])
            at += 1
        elif ITEM.match(line):
            end = _until(lines, at, lambda one: not ITEM.match(one))
            yield Block("list", items=[_item(one) for one in lines[at:end]])
            at = end
        elif line.strip():
            end = _until(lines, at + 1, _begins_another)
            yield Block("p", "\n".join(lines[at:end]).strip())
            at = end
        else:
            at += 1


def _until(lines: Sequence[str], at: int, is_end: Callable[[str], bool]) -> int:
    return next((one for one in range(at, len(lines)) if is_end(lines[one])), len(lines))


def _begins_another(line: str) -> bool:
    starts = line.lstrip().startswith("```") or HEADING.match(line) or ITEM.match(line)
    return bool(not line.strip() or starts)


def _item(line: str) -> str:
    found = ITEM.match(line)
    return found[1] if found else line


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _table(head: list[str], rows: list[list[str]]) -> Block:
    width = len(head)
    return Block("table", head=head, rows=[(row + [""] * width)[:width] for row in rows])
