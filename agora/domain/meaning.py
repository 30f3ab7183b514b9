"""What an answer means: answers that say the same are one, however they are written.

Numbers, units, options and plain yes and no are read here; what else two wordings may have in
common only a judge can say.
"""

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from agora.domain.answers import normal_form

OPTION = re.compile(r"^\s*\(?([A-Z])[.):]\s+(\S.*?)\s*$", re.MULTILINE)
CHOSEN = re.compile(
    r"^\W*(?:(?:the\s+)?(?:(?:final|correct|best)\s+)?(?:answer|option)\s*(?:is\b|:)?\s*)?"
    r"[\W_]*([a-z])(?:\W+(?!\w)|\s*[.):\]]|\W*$)",
    re.IGNORECASE,
)
POLAR = re.compile(r"^\W*(yes|no|true|false)\b(?:\W*$|\s*[,.;:!–—])", re.IGNORECASE)
FENCE = re.compile(r"\$\\?boxed\{(.*)\}\$|^\$(.*)\$$")
NUMBER = re.compile(
    r"^(?P<sign>[-+])?(?P<currency>[$€£])?(?P<head>\d[\d,.'’]*)(?:\s*/\s*(?P<below>\d+))?"
    r"(?:\s*(?:[x×*]\s*10\s*\^?\s*|e)(?P<power>[-+]?\d+))?\s*(?P<unit>%|[°a-zµμ][\w°/²³^µμ ]*)?$"
)
WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty"
).split()
UNITS: Mapping[str, tuple[str, str]] = {
    name: (base, factor)
    for base, sizes in {
        "m": "m meter metre meters metres=1 km kilometer kilometre kilometers kilometres=1000 "
        "cm centimeter centimetre centimeters centimetres=0.01 "
        "mm millimeter millimetre millimeters millimetres=0.001 mile miles mi=1609.344 "
        "ft foot feet=0.3048 inch inches=0.0254",
        "kg": "kg kilogram kilograms=1 g gram grams=0.001 mg milligram milligrams=0.000001 "
        "t tonne tonnes=1000 lb lbs pound pounds=0.45359237",
        "s": "s sec second seconds=1 ms millisecond milliseconds=0.001 min minute minutes=60 "
        "h hr hour hours=3600 day days=86400 week weeks=604800",
        "l": "l liter litre liters litres=1 ml milliliter millilitre milliliters millilitres=0.001",
        "b": "b byte bytes=1 kb=1000 mb=1000000 gb=1000000000",
        "usd": "usd dollar dollars=1 cent cents=0.01",
        "eur": "eur euro euros=1",
        "gbp": "gbp=1",
        "": "%  percent=0.01",
        "j": "j joule joules=1 kj kilojoule kilojoules=1000",
        "w": "w watt watts=1 kw kilowatt kilowatts=1000 mw=1000000",
    }.items()
    for names, _, factor in (part.rpartition("=") for part in re.findall(r"[^=]+=[\d.]+", sizes))
    for name in names.split()
}
CURRENCIES = {"$": "usd", "€": "eur", "£": "gbp"}
BASES = "|".join(sorted({base for base, _ in UNITS.values() if base}))
EXACT = re.compile(rf"yes|no|[a-z]|-?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?: (?:{BASES}))?")


def options(task: str) -> dict[str, str]:
    """Return the lettered options that a task offers, letter to text; none unless A and B are."""
    found = {letter.lower(): text for letter, text in OPTION.findall(task)}
    return found if {"a", "b"} <= found.keys() else {}


def meaning(answer: str, offered: Mapping[str, str]) -> str:
    """Return the form by which an answer is compared; "" where it says nothing.

    `offered` are the task's options: an answer that is none of them means nothing.
    """
    form = normal_form(answer)
    if offered:
        return _option(answer, form, offered)
    if polar := POLAR.match(answer):
        return {"true": "yes", "false": "no"}.get(polar[1].lower(), polar[1].lower())
    return _quantity(answer) or form


def is_exact(form: str) -> bool:
    """Return whether a meaning needs no judge: a quantity, an option, a yes or a no."""
    return bool(EXACT.fullmatch(form))


def _option(answer: str, form: str, offered: Mapping[str, str]) -> str:
    by_text = [letter for letter, text in offered.items() if normal_form(text) == form]
    if len(by_text) == 1:
        return by_text[0]
    chosen = CHOSEN.match(answer)
    letter = chosen[1].lower() if chosen else form
    return letter if letter in offered else ""


def _quantity(answer: str) -> str:
    """Return a number in its unit of reference, such as "5000 m"; "" where there is none."""
    text = unicodedata.normalize("NFKC", answer).strip().replace("−", "-")
    fenced = FENCE.search(text)
    text = next(filter(None, fenced.groups()), text) if fenced else text
    text = re.sub(r"^(?:about|approximately|roughly|exactly|=|≈|~)\s*", "", text.rstrip(" .!"))
    head, _, rest = text.lower().partition(" ")
    text = f"{WORDS.index(head)} {rest}".strip() if head in WORDS else text.lower()
    found = NUMBER.match(text)
    if not found:
        return ""
    unit = (found["unit"] or CURRENCIES.get(found["currency"] or "", "")).strip()
    base, factor = UNITS.get(unit, (unit, "1"))
    value = _value(found, factor)
    return f"{value} {base}".strip() if value else ""


def _value(found: "re.Match[str]", factor: str) -> str:
    try:
        value = Decimal(normal_form(found["head"])) * Decimal(factor)
        if found["below"]:
            value /= Decimal(found["below"])
        value = value.scaleb(int(found["power"] or 0))
    except (InvalidOperation, ArithmeticError):
        return ""
    value = -value if found["sign"] == "-" else value
    return f"{float(f'{value:.9g}'):.9g}"
