"""Predicting what the team will be asked: what the news speaks of, beside what it works with."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agora.domain.feeds import Item

# A name: a capital or a digit inside of a sentence, and what belongs to it.
_NAME = re.compile(r"\b[A-Z][\w+-]*(?:[ .-](?:[A-Z0-9][\w+-]*|\d[\w.]*))*")
_WORD = re.compile(r"[A-Za-z][\w+#.-]*[\w+#]")
_COMMON = frozenset(
    "the a an and or of in on for with how why what when who we you our your is are this that new"
    " it its to from by at as be not now more can will do does i my has have was were us but if"
    " here there about into over after before up out all any one two first best top using use"
    " introducing announcing show ask tell launch release releases guide week today".split()
)
LONGEST_NAME = 40
QUOTES = 3


@dataclass(frozen=True)
class Trend:
    """A name that the news speaks of, the items that do, and our subject that they touch."""

    name: str
    items: tuple[Item, ...]
    ours: str = ""

    @property
    def weight(self) -> float:
        """Return how much it is spoken of, in feeds and items; what touches us counts double."""
        feeds = len({item.feed for item in self.items})
        return (len(self.items) + 2 * (feeds - 1)) * (2.0 if self.ours else 1.0)

    @property
    def questions(self) -> tuple[str, ...]:
        """Return what somebody may ask, the likeliest first."""
        asked = (f"How does {self.name} affect our {self.ours}?",) if self.ours else ()
        return (*asked, f"What do the feeds say about {self.name}?", f"What is {self.name}?")


def subjects(texts: Iterable[str], models: Iterable[str]) -> dict[str, str]:
    """Return our own subjects by their lower-case form: of two questions at least, or models."""
    seen: dict[str, list[str]] = defaultdict(list)
    for text in texts:
        for word in {word for word in _WORD.findall(text) if len(word) > 3}:
            seen[word.lower()].append(word)
    ours = {
        word: min(written)  # capitals first
        for word, written in seen.items()
        if len(written) > 1 and word not in _COMMON
    }
    for model in models:
        family = re.split(r"[^A-Za-z]", model.rpartition("/")[2], maxsplit=1)[0]
        ours |= {family.lower(): family} if len(family) > 2 else {}
    return ours


def trends(items: Sequence[Item], ours: dict[str, str], most: int) -> list[Trend]:
    """Return what is spoken of twice, or touches us, weightiest first."""
    speaking: dict[str, list[Item]] = defaultdict(list)
    names: dict[str, str] = {}
    for item in items:
        for name in _names(item.title):
            names.setdefault(name.lower(), name)
            speaking[name.lower()].append(item)
    found = [_trend(names[key], told, ours) for key, told in speaking.items()]
    worth = [one for one in found if one.ours or len(one.items) > 1]
    return sorted(worth, key=lambda one: (-one.weight, one.name))[:most]


def _trend(name: str, items: Sequence[Item], ours: dict[str, str]) -> Trend:
    own = {word.lower() for word in _WORD.findall(name)}
    touched = [
        ours[word]
        for item in items
        for word in (found.lower() for found in _WORD.findall(item.text))
        if word in ours and word not in own
    ]
    return Trend(name, tuple(items), max(set(touched), key=touched.count) if touched else "")


def _names(title: str) -> set[str]:
    found = set()
    for match in _NAME.finditer(title):
        words = match[0].rstrip(".-").split(" ")
        while words and words[0].lower() in _COMMON:
            words.pop(0)
        name = " ".join(words)
        # The first word of a title has a capital without being a name.
        is_name = match.start() > 0 or len(words) > 1 or re.search(r"[A-Z0-9]", name[1:])
        if is_name and 2 < len(name) <= LONGEST_NAME:
            found.add(name)
    return found


def newest(trend: Trend) -> list[Item]:
    """Return the items that are quoted."""
    return sorted(trend.items, key=lambda item: item.published_at, reverse=True)[:QUOTES]


def quotation(trend: Trend) -> str:
    """Return what the news says, word for word, each with its source and its date."""
    said = [f"- {_source(item)}: “{item.text}” {item.link}" for item in newest(trend)]
    return "\n".join(["From the news, as quoted; nobody here has checked it:", *said])


def _source(item: Item) -> str:
    return f"{item.feed}, {item.published_at:%Y-%m-%d}"
