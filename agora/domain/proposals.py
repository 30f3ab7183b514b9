"""Proposals: what a rewritten prompt must keep and may not hold, whoever has written it.

The guards read; whether a wording is better only a trial can tell. What they refuse is never tried.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from string import Template

from agora.domain.languages import language

SHORTEST, LONGEST = 40, 8_000
"""Characters of a prompt."""
GROWTH = 4
"""A rewritten prompt is at most so many times as long as the one before, and 1,500 more."""
COPIED = 8
"""So many words in a row that stand in a task are no rule, but the task."""

_UNSEEN = re.compile(
    "[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\u00ad\U000e0000-\U000e007f]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_ROLE = re.compile(
    r"<\|[^|>]{0,40}\|>|\[/?INST\]|<</?SYS>>|^\s*#{0,3}\s*(?:system|assistant|user)\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_ALL = (
    r"(?:all|any|every|each|the|these|those|your|my|our|previous|prior|earlier|above|other|of|such)"
)
_RULES = r"(?:rules?|instructions?|prompts?|guidelines?|polic(?:y|ies)|constraints?|safety)"
_SAY = r"(?:answer|reply|respond|say|output)s?"
_ORDERS = (
    r"\b(?:ignore|disregard|forget|override|bypass|discard|skip)\b"
    rf"(?:\s+{_ALL})+\s+(?:\w+\s+)?{_RULES}",
    r"\b(?:do not|don't|never)\s+(?:follow|obey|heed|respect|comply with)\s+"
    rf"(?:{_ALL}\s+)*(?:\w+\s+)?{_RULES}",
    r"\b(?:reveal|print|repeat|output|leak|show|expose|send)\s+(?:\w+\s+){0,3}"
    r"(?:system prompt|hidden prompt|api[ _-]?keys?|passwords?|credentials|secrets?)",
    r"\b(?:you are|act as|pretend to be)\s+(?:now\s+)?"
    r"(?:dan\b|an? (?:unrestricted|uncensored|jailbroken))",
    r"\b(?:jailbreak|developer mode|god mode)\b",
    r"\bregardless of (?:the|what|any|your)\b[^.]{0,60}"
    r"\b(?:task|question|user|instructions?|asks?|asked)\b",
    rf"\b(?:always|only)\s+{_SAY}\b[^.]{{0,20}}[\"'“‘]",
    rf"\b{_SAY}\s+(?:with\s+)?(?:only|always)\b[^.]{{0,20}}[\"'“‘]",
    r"\b(?:execute|run)\s+(?:the following|this)\s+(?:command|code|script)",
)
_INJECTION = re.compile("|".join(_ORDERS), re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[^\s)>\]]+|\b[\w.+-]+@[\w-]+\.\w{2,}", re.IGNORECASE)
_BLOB = re.compile(r"[A-Za-z0-9+/=_-]{80,}")
_WORD = re.compile(r"\w+")


def fault(
    old: str, new: str, keeps: Iterable[str] = (), material: Iterable[str] = ()
) -> str | None:
    """Return why a proposal for `old` is refused, as a clause after its name; None: it is fit.

    `keeps` are the words of its contract that every wording must hold; `material` is what whoever
    wrote it was shown of tasks.
    """
    return next(_faults(old, new, keeps, material), None)


def _faults(old: str, new: str, keeps: Iterable[str], material: Iterable[str]) -> Iterator[str]:
    if len(new.strip()) < SHORTEST:
        yield "is empty or too short to be a prompt"
    if len(new) > min(LONGEST, GROWTH * len(old) + 1_500):
        yield f"is too long: {len(new)} characters"
    elif new.strip() == old.strip():
        yield "changes nothing"
    else:
        yield from _lost(old, new, keeps)
        yield from _hidden(new)
        yield from _smuggled(old, new, material)


def _lost(old: str, new: str, keeps: Iterable[str]) -> Iterator[str]:
    if not Template(new).is_valid():
        yield "has a $ that names no hole"
        return
    before, after = (set(Template(text).get_identifiers()) for text in (old, new))
    if lost := before - after:
        yield f"has lost ${min(lost)}, which must be filled in"
    if added := after - before:
        yield f"asks for ${min(added)}, which nobody fills in"
    for hole in before & after:  # what is filled in stays material only between its tags
        around = rf"<([\w-]+)>\s*\${{?{hole}}}?\s*</\1>"
        if re.search(around, old) and not re.search(around, new):
            yield f"has taken the tags from around ${hole}"
    said = _plain(new)
    for words in keeps:
        if _plain(words) not in said:
            yield f"no longer says {words!r}, which its contract demands"
    spoken = language(old)
    if language(new) != spoken:
        yield f"is not in the language of the prompt before it ({spoken})"


def _hidden(new: str) -> Iterator[str]:
    if _UNSEEN.search(new) or _CONTROL.search(new):
        yield "holds characters that nobody sees"
    if any(_is_mixed(word) for word in _WORD.findall(new)):
        yield "holds words with letters of two alphabets"
    if _BLOB.search(new):
        yield "holds something encoded"


def _smuggled(old: str, new: str, material: Iterable[str]) -> Iterator[str]:
    said = unicodedata.normalize("NFKC", new)
    if _ROLE.search(said):
        yield "speaks in the marks of a conversation"
    if (found := _INJECTION.search(" ".join(said.split()))) and found[0].lower() not in old.lower():
        yield f"gives an order against its own rules: {found[0][:60]!r}"
    if set(_ADDRESS.findall(said)) - set(_ADDRESS.findall(old)):
        yield "names an address that the prompt before it did not"
    fresh = _runs(new) - _runs(old)
    if any(not fresh.isdisjoint(_runs(text)) for text in material):
        yield "copies a task"


def _runs(text: str) -> set[tuple[str, ...]]:
    words = [word.casefold() for word in _WORD.findall(text)]
    return {tuple(words[at : at + COPIED]) for at in range(len(words) - COPIED + 1)}


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _is_mixed(word: str) -> bool:
    alphabets = {unicodedata.name(char, "?").partition(" ")[0] for char in word if char.isalpha()}
    return len(alphabets & {"LATIN", "CYRILLIC", "GREEK"}) > 1
