"""Which language a text is in, told by its alphabet and its commonest small words."""

import re
import unicodedata
from collections import Counter

SMALL_WORDS = {
    "English": (
        "the of and to in is that it for on with as are this be not or by from you your "
        "an if what where when do which one than then"
    ),
    "German": (
        "der die das und in zu den ist nicht von mit sich des auf für ein eine dem als "
        "auch es an werden aus er hat dass sie nach wird bei oder wenn du"
    ),
    "French": (
        "le la les de des et en un une est que qui dans pour pas sur au avec ce il se "
        "plus par sont vous ne ou si du"
    ),
    "Spanish": (
        "el la los las de que y en un una es por con no para se del al lo como más su "
        "pero o si usted cuando"
    ),
    "Italian": (
        "il lo la gli le di che e un una è per con non si del della al da come più ma o "
        "se sono quando"
    ),
    "Portuguese": (
        "o a os as de que e em um uma é por com não para se do da ao como mais mas ou quando você"
    ),
    "Dutch": (
        "de het een en van in is dat op te zijn met voor niet aan er om als ook bij of "
        "maar wat je wordt"
    ),
    "Polish": "i w na z do nie się że to jest o za po jak ale od przez czy lub dla",
    "Turkish": "ve bir bu için ile de da ne gibi çok daha olarak olan ya ama her",
}
_KNOWN = {name: frozenset(words.split()) for name, words in SMALL_WORDS.items()}
_WORD = re.compile(r"[^\W\d_]+")


def language(text: str) -> str:
    """Return the language of a text, or the name of its alphabet where that is not Latin."""
    words = [word.casefold() for word in _WORD.findall(text)]
    alphabets = Counter(
        unicodedata.name(char, "UNKNOWN").partition(" ")[0] for word in words for char in word
    )
    alphabet = alphabets.most_common(1)[0][0] if alphabets else "LATIN"
    if alphabet != "LATIN":
        return alphabet.capitalize()
    counted = {name: sum(word in known for word in words) for name, known in _KNOWN.items()}
    return max(counted, key=counted.__getitem__) if any(counted.values()) else "unknown"
