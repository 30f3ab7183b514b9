"""Typing errors: a word that is none, one slip away from a word that everybody knows.

Norvig, "How to Write a Spelling Corrector" (2007), with slips that change no name into another:
letters changed places, one is missing, doubled, or a wrong vowel. Redis is no slip of reds.
"""

from collections.abc import Iterator
from functools import cache, lru_cache

LEAST_LETTERS = 5
COMMON, KNOWN = 1_000, 300
"""How often a word stands in the lexicon's texts: to be what was meant; to be English at all."""
ENGLISH = 0.5
"""Share of the words that a text must have in common with the lexicon before it is corrected."""
VOWELS = "aeiou"
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@cache
def lexicon() -> dict[str, int]:
    """Return how often each English word is used; read on first need, 0.2 s."""
    from spellchecker import SpellChecker

    words = SpellChecker(language="en", distance=1).word_frequency
    return dict(words.dictionary)


def is_english(words: list[str]) -> bool:
    """Return whether enough of the words are English, so that the rest may be typing errors."""
    known = sum(lexicon().get(word, 0) >= KNOWN for word in words)
    return known >= 2 and known >= ENGLISH * len(words)


@lru_cache(maxsize=10_000)
def corrected(word: str) -> str:
    """Return the common word that was meant, or the word itself."""
    if len(word) < LEAST_LETTERS or not word.isascii() or not word.isalpha() or word in lexicon():
        return word
    meant = {one for one in _turned(word) if lexicon().get(one, 0) >= KNOWN}
    meant = meant or {one for one in _slips(word) if lexicon().get(one, 0) >= COMMON}
    return max(sorted(meant), key=lexicon().__getitem__, default=word)


def _turned(word: str) -> Iterator[str]:
    for i in range(1, len(word) - 1):
        yield word[:i] + word[i + 1] + word[i] + word[i + 2 :]


def _slips(word: str) -> Iterator[str]:
    for i in range(1, len(word) - 1):
        if word[i] in (word[i - 1], word[i + 1]):
            yield word[:i] + word[i + 1 :]
        if word[i] in VOWELS:
            yield from (word[:i] + letter + word[i + 1 :] for letter in VOWELS)
    for i in range(1, len(word)):
        yield from (word[:i] + letter + word[i:] for letter in LETTERS)


def infinitive(gerund: str) -> str:
    """Return the verb of a form in -ing: enabling gives enable; any other word is itself."""
    if len(gerund) < 6 or not gerund.endswith("ing"):
        return gerund
    return _verb(gerund[:-3])


def present(participle: str) -> str:
    """Return the verb of a form in -ed: used gives use; any other word is itself."""
    if len(participle) < 4 or not participle.endswith("ed"):
        return participle
    return _verb(participle[:-2])


def _verb(stem: str) -> str:
    forms = [stem, f"{stem}e", *([stem[:-1]] if stem[-1:] == stem[-2:-1] else [])]
    return max((one for one in forms if len(one) > 2), key=lambda form: lexicon().get(form, 0))


def stem(word: str) -> str:
    """Return the word without its plural: Harman's S stemmer (1991).

    Stronger ones read "import" in "important".
    """
    if len(word) < 4 or not word.isalpha() or word.endswith(("ss", "us", "is")) or word == "news":
        return word
    if word.endswith("ies") and word[-4] not in "ae":
        return word[:-3] + "y"
    return word.removesuffix("s")
