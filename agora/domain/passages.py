"""Documents cut into passages of a few lines, and an index that ranks them for a question.

BM25: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.
"""

import ast
import io
import math
import re
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import PurePosixPath
from typing import Any

from agora.domain.signatures import parsed

K1, B = 1.2, 0.75
"""BM25: how soon repeated words count no more, and how much long passages are held back."""
LINES = 8
"""Of a passage at most; longer blocks are cut."""
LEAD = 60
"""Characters at the head of a passage that say what it is about."""
ITEMS = 3
"""Lines after which a list or table is cut at its next item."""

_STOP = frozenset(
    "a about all also am an and any are as at be been but by can could did do does each else "
    "ever for from get give had has have how i if in into is it its let like make many may me "
    "mean might more most much must my need no not of on one only or our out please say shall "
    "she should show so some tell than that the their them then there these they this those to "
    "too under up us use used uses using very want was way we were what when where which while "
    "who whom whose why will with work works would you your happen happens kind sort find know "
    "explain describe exactly actually".split()
)
_WORD = re.compile(r"[^\W_]+(?:_+[^\W_]+)*")
_HUMPS = re.compile(r"[A-Z]?[^\WA-Z_\d]+|[A-Z]+(?![^\WA-Z_\d])|\d+")
_HEADING = re.compile(r"(#{1,6})\s+(\S.*)")
_UNDERLINE = re.compile(r"([=\-~^\"'`+*])\1{2,}\s*$")
_SECTION = re.compile(r"\s*\[+([^\[\]]+)\]+\s*$")
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s|\s*\|")


@dataclass(frozen=True)
class Document:
    """A text of a workspace; the path has slashes."""

    path: str
    text: str


@dataclass(frozen=True)
class Passage:
    """A few lines of a document as they stand there; `line` is the first, counted from 1."""

    path: str
    line: int
    text: str
    score: float = 0.0
    heading: str = field(default="", repr=False)  # all above it


def passages_of(document: Document) -> Iterator[Passage]:
    """Yield the passages of a document in order."""
    text = document.text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")  # as editors count them: form feeds do not
    if document.path.endswith((".py", ".pyi")):
        blocks = _code_blocks(text, lines)
    else:
        blocks = _text_blocks(lines)
    for start, end, heading in blocks:
        for first, last in _cut(lines, start, end):
            if said := "\n".join(lines[first:last]).strip():
                yield Passage(document.path, first + 1, said, heading=heading)


Block = tuple[int, int, str]  # first line, line after the last, both from 0, and the headings


def _text_blocks(lines: Sequence[str]) -> Iterator[Block]:
    headings: dict[int, str] = {}
    start = 0
    for place, line in enumerate([*lines, ""]):
        level, title = _heading(lines, place)
        if title or not line.strip() or _UNDERLINE.match(line):
            if place > start:
                yield start, place, " ".join(headings.values())
            start = place + 1
        if title:
            headings = {one: text for one, text in headings.items() if one < level}
            headings[level] = title


def _heading(lines: Sequence[str], place: int) -> tuple[int, str]:
    """Return level and text of the heading at a line, or (0, "")."""
    line = lines[place] if place < len(lines) else ""
    if match := _HEADING.match(line):
        return len(match[1]), match[2]
    if match := _SECTION.match(line):
        return 1, match[1]
    below = lines[place + 1] if place + 1 < len(lines) else ""
    is_first = place == 0 or not lines[place - 1].strip()
    if line.strip() and is_first and _UNDERLINE.match(below):
        return ("=-~^\"'`+*".index(below[0]) + 1), line.strip()
    return 0, ""


def _code_blocks(text: str, lines: Sequence[str]) -> Iterator[Block]:
    if tree := parsed(text):
        yield from sorted({*_docstrings(tree, lines, ""), *_runs(_comments(text))})


def _comments(text: str) -> list[int]:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):  # rarely, what parses is none to tokenize
        return []
    return [one.start[0] for one in tokens if one.type == tokenize.COMMENT]


def _docstrings(node: ast.AST, lines: Sequence[str], above: str) -> Iterator[Block]:
    for child in getattr(node, "body", []):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _docstrings(child, lines, f"{above} {lines[child.lineno - 1].strip()}")
        elif isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            if isinstance(child.value.value, str):
                end = child.end_lineno or child.lineno
                yield from _paragraphs(lines, child.lineno - 1, end, above)


def _paragraphs(lines: Sequence[str], start: int, end: int, above: str) -> Iterator[Block]:
    for place in range(start, end + 1):
        if place == end or not lines[place].strip():
            if place > start:
                yield start, place, above
            start = place + 1


def _runs(numbers: Sequence[int]) -> Iterator[Block]:
    start = 0
    for place, number in enumerate(numbers):
        if place + 1 == len(numbers) or numbers[place + 1] != number + 1:
            yield numbers[start] - 1, number, ""
            start = place + 1


def _cut(lines: Sequence[str], start: int, end: int) -> Iterator[tuple[int, int]]:
    while end > start:
        # An item of a list says something by itself; very short ones stay together.
        items = (n for n in range(start + ITEMS, end) if _ITEM.match(lines[n]))
        stop = min(next(items, end), start + LINES, end)
        yield start, stop
        start = stop


@cache
def _stemmer() -> Any:
    import snowballstemmer  # type: ignore[import-untyped]  # its authors give no types

    return snowballstemmer.stemmer("english")


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word))


@lru_cache(maxsize=65_536)
def _is_stopped(word: str) -> bool:
    return word in _STOP or _stem(word) in _STOP


def terms(text: str) -> list[str]:
    """Return the stems of content words; a name like `read_all` counts whole and in its parts."""
    found = []
    for word in _WORD.findall(text):
        parts = _HUMPS.findall(word)
        plain = word.lower()
        if len(parts) > 1:
            found.append(plain)
        found += [_stem(part.lower()) for part in parts or [plain] if not _is_stopped(part.lower())]
    return found


@dataclass(frozen=True)
class Index:
    """Which passage holds which stem, and how often."""

    passages: tuple[Passage, ...]
    lengths: tuple[int, ...]
    holding: dict[str, dict[int, int]]  # stem → number of the passage → how often

    def rank(self, question: str, limit: int) -> list[tuple[Passage, float]]:
        """Return the best passages, each with the confidence that it answers, in [0, 1]."""
        wanted = dict.fromkeys(terms(question))
        rarity = {stem: self._rarity(stem) for stem in wanted}
        scores: defaultdict[int, float] = defaultdict(float)
        covered: defaultdict[int, float] = defaultdict(float)
        matched: Counter[int] = Counter()
        mean = sum(self.lengths) / max(1, len(self.lengths))
        for stem in wanted:
            for number, times in self.holding.get(stem, {}).items():
                norm = K1 * (1 - B + B * self.lengths[number] / mean)
                scores[number] += rarity[stem] * times * (K1 + 1) / (times + norm)
                covered[number] += rarity[stem]
                matched[number] += not stem.isdecimal()  # a number alone is about nothing
        total = sum(rarity.values())
        best = sorted(scores, key=lambda number: (-scores[number], number))[:limit]
        return [
            (
                replace(self.passages[number], score=scores[number]),
                covered[number] / total * (1 - 0.5 ** matched[number]),
            )
            for number in best
        ]

    def _rarity(self, stem: str) -> float:
        # A word that nobody wrote says no more than one that was written once.
        held, count = max(1, len(self.holding.get(stem, {}))), len(self.passages)
        rarity = math.log(1 + (count - held + 0.5) / (held + 0.5))
        return rarity / 2 if stem.isdecimal() else rarity


def index_of(documents: Iterable[Document]) -> Index:
    """Return the index of the documents; the last few are kept, so that a bid costs little."""
    return _index(tuple(documents))


@lru_cache(maxsize=4)
def _index(documents: tuple[Document, ...]) -> Index:
    passages = [passage for document in documents for passage in passages_of(document)]
    holding: dict[str, dict[int, int]] = {}
    lengths = []
    for number, passage in enumerate(passages):
        name = PurePosixPath(passage.path).stem
        # What a passage begins with is what it is about, so it counts twice.
        words = terms(f"{passage.text}\n{passage.text[:LEAD]}\n{passage.heading}\n{name}")
        lengths.append(len(words))
        for stem in words:
            times = holding.setdefault(stem, {})
            times[number] = times.get(number, 0) + 1
    return Index(tuple(passages), tuple(lengths), holding)
