"""The librarian: answers from a workspace's own documents, in their words, or says it has none."""

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from agora.domain import git
from agora.domain.contracts import AgentOutcome, Source
from agora.domain.doors import require_act
from agora.domain.passages import Document, Passage, index_of
from agora.domain.questions import has_side_effects
from agora.domain.redaction import redact

EXPERT = "librarian"
LARGEST = 1_000_000
"""Bytes of one document; larger ones are not read."""
ALL = 16_000_000
"""Bytes of all documents together; what comes later by name is not read."""
SUFFIXES = frozenset(
    ".md .markdown .rst .txt .adoc .org .py .pyi .toml .yaml .yml .cfg .ini .cedar .sql".split()
)
NAMES = frozenset(
    "README LICENSE CHANGELOG CONTRIBUTING AUTHORS NOTICE Makefile Dockerfile".split()
)
SURE = 0.5
"""Confidence from which a passage counts as an answer."""
QUOTED = 3
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")  # what would speak to a terminal


def read_documents(root: Path) -> list[Document]:
    """Return the text documents that git tracks in a work tree; links are not followed."""
    require_act("read_document")
    top, total, documents = root.resolve(), 0, []
    for path in git.read(root, "ls-files", "-z").split("\0"):
        name = PurePosixPath(path)
        if name.suffix.lower() not in SUFFIXES and name.name not in NAMES:
            continue
        text = _read(top, path, min(LARGEST, ALL - total))
        if text is not None:
            documents.append(Document(path, text))
            total += len(text)
    return documents


def _read(top: Path, path: str, largest: int) -> str | None:
    """Return the text of a file in the tree, or None if it is none of ours or no text."""
    place = top / path
    if place.parent.resolve() != place.parent:  # some folder on the way has become a link
        return None
    try:
        with open(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            content = file.read(largest + 1) if is_file else b"\0"
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return None if len(content) > largest or _CONTROL.search(text) else text


def find_passages(documents: Sequence[Document], question: str, limit: int = 3) -> list[Passage]:
    """Return the passages that answer best, by falling score; none if no word is theirs."""
    return [passage for passage, _ in index_of(documents).rank(question, limit)]


def can_answer(question: str, documents: Sequence[Document]) -> float:
    """Return the probability in [0, 1] that `answer` would find something: its bid."""
    if has_side_effects(question):
        return 0.0
    best = index_of(documents).rank(question, 1)
    return best[0][1] if best and best[0][1] >= SURE else 0.0


def answer(question: str, documents: Sequence[Document]) -> AgentOutcome:
    """Return the best passages, word for word with their place, or decline.

    Confidence is the share of the question's content words, weighted by how rare they are in the
    documents, that the first passage and its headings hold; less when those are only one or two.
    """
    ranked = [] if has_side_effects(question) else index_of(documents).rank(question, QUOTED)
    if not ranked or ranked[0][1] < SURE:
        return _declined(question, len(documents))
    best, confidence = ranked[0]
    chosen = [one for one, sure in ranked if one.score >= 0.7 * best.score and sure >= SURE]
    sources = [Source(path=one.path, line=one.line, quote=redact(one.text)) for one in chosen]
    return AgentOutcome(
        status="answered",
        answer="\n\n".join(map(_quoted, sources)),
        evidence=tuple(sources),
        confidence=confidence,
        expert=EXPERT,
    )


def _quoted(source: Source) -> str:
    quote = "\n".join(f"> {line}".rstrip() for line in source.quote.splitlines())
    return f"{quote}\n\n({source.path}:{source.line})"


def _declined(question: str, count: int) -> AgentOutcome:
    looked = "1 document" if count == 1 else f"{count} documents"
    sentence = f"I found nothing that answers this in the {looked} of the workspace."
    if has_side_effects(question):
        sentence = f"This asks for something to be done; I only quote from the {looked} I have."
    return AgentOutcome(status="declined", answer=sentence, expert=EXPERT)


def says(documents: Sequence[Document], quote: str) -> bool:
    """Return whether a document has these words in this order, however its lines are broken."""
    wanted = " ".join(quote.split())
    return any(wanted in " ".join(document.text.split()) for document in documents)
