"""Text that gives its reader orders: found by its words, however they are hidden.

Nobody's rights rest on this: what untrusted text may bring about, the policies say by labels. What
is found here is taken away beyond that. Greshake et al., "Not what you've signed up for:
Compromising Real-World LLM-Integrated Applications with Indirect Prompt Injection", AISec 2023.
"""

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

LONGEST = 200_000
"""Characters of one text that are looked at; a longer one is taken to give orders."""
_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
)
_BLOB = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_HEX = re.compile(r"\b(?:[0-9a-f]{2}[ :]?){16,}\b", re.IGNORECASE)
_SPACED = re.compile(r"\b(?:\w[ ._-]){6,}\w\b")
_ALIKE = str.maketrans("аеорсухіјѕԁһӏ", "aeopcyxijsdhl")

_HINT = re.compile("ignore|disregard|instruct|reply|respond|call|system|prompt|send|say|assist")

_READER = (
    r"(?:ai|a\.i\.|llms?|language models?|assistants?|chatbots?|copilots?|agents?|"
    r"bots?|models?|experts?)"
)
_BEFORE = (
    r"(?:all|any|every|the|your|these|those|my|previous|prior|earlier|above|"
    r"preceding|other|system|of)"
)
_RULES = (
    r"(?:instructions?|rules?|prompts?|guidelines?|directions?|orders?|polic(?:y|"
    r"ies)|context|training|constraints?)"
)
_TELL = r"(?:repl(?:y|ies)|respond|answer|say|output|print|write|state|tell|begin|end)"
_MUST = r"(?:must|should|shall|need to|have to|are (?:to|required to|now)|will|ought to)"
_DO = (
    r"(?:call|invoke|execute|run|use|send|post|upload|forward|e-?mail|transfer|delete|remember|"
    r"store|save|ignore|disregard|include|append|visit|open|fetch|approve|reveal|repeat|insert|"
    r"recommend|obey|comply|reply|respond|answer|say|output|print|write|set|change|replace|add)"
)
_ORDERS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:ignore|disregard|forget|override|bypass|drop|overrule|"
        rf"discard)\s+(?:{_BEFORE}\s+){{0,5}}{_RULES}\b",
        rf"\b(?:do not|don't|never|stop)\s+(?:follow(?:ing)?|"
        rf"obey(?:ing)?)\s+(?:{_BEFORE}\s+){{0,4}}{_RULES}\b",
        r"\bignor(?:iere|ieren|ez|a|e|ar|ate)\s+(?:\w+\s+){0,4}(?:anweisung\w*|"
        r"instruc\w+|consignes?|istruzion\w+)",
        r"\b(?:antworte|r[ée]ponds|répondez|responde|"
        r"rispondi)\s+(?:\w+\s+){0,4}(?:genau|exactement|exactamente|esattamente|nur|"
        r"mit|avec|con)\b",
        r"\b(?:rufe|appelle|llama|chiama)\s+(?:\w+\s+){0,3}(?:werkzeug|outil|"
        r"herramienta|strumento|tool)",
        rf"\b(?:{_TELL})\s+(?:\w+\s+){{0,4}}(?:exactly|verbatim|word for word|"
        rf"nothing (?:else|but))\b",
        rf"\b{_TELL}\s+(?:only\s+)?(?:with|only)\s*:?\s*[\"'“`]",
        r"(?:^|[.!?\n:>*#\"-]\s*)(?:reply|respond|say)\s*:\s*\S",
        r"\bcall\s+(?:the\s+)?(?:tool|function)?\s*[\w.]+\s*(?:\(|\{|with\b)",
        rf"\b(?:dear|hey|hello|attention|note to|message (?:to|for)|instructions? (?:to|"
        rf"for)|important for)\s*:?,?\s+(?:\w+\s+){{0,3}}{_READER}\b",
        rf"\b{_READER}\s*[,:]\s+(?:please\s+|kindly\s+|you\s+must\s+|now\s+|do\s+){{0,2}}{_DO}\b",
        rf"\b{_READER}\s+(?:reading|processing|that reads?|who reads?|"
        rf"summari[sz]ing)\b.{{0,80}}\b{_DO}\b",
        rf"\b(?:if|when|whenever|as)\s+(?:you\s+are\s+|you're\s+)?(?:an?\s+|any\s+|"
        rf"the\s+)?{_READER}\b.{{0,120}}\b{_DO}\b",
        rf"\byou\s+{_MUST}\s+(?:\w+\s+){{0,3}}{_DO}\b.{{0,160}}\b(?:tool|function|"
        rf"https?:|@|exactly|user|secret|password|key|instead|immediately)\b",
        rf"\b{_READER}\s+{_MUST}\s+(?:\w+\s+){{0,3}}{_DO}\b",
        r"\b(?:you are|you're) (?:now|no longer)\b|\bfrom now on,?\s+(?:you|always|"
        r"every|all)\b|\bact as (?:an?|the|if)\b.{0,60}\b(?:ai|assistant|model|admin|"
        r"developer|root)\b",
        rf"\byour\s+(?:new|real|actual|true|next|only|updated)\s+(?:task|goal|objective|"
        rf"job|mission|{_RULES})\b",
        rf"\b(?:new|updated|revised|additional|secret|hidden|urgent|"
        rf"special)\s+(?:system\s+)?{_RULES}\s*(?:[:.]|follow|for)",
        r"\b(?:system|developer|admin(?:istrator)?)\s+(?:prompt|message|override|"
        r"instruction|note|notice)\b\s*[:\]>=-]",
        r"(?:^|\n)\s*(?:#{1,6}\s*|\*{1,2}|"
        r"\[|<)?(?:system|assistant|user|developer|human|instructions?)\s*(?:\*{0,2}|\]|"
        r">)?\s*:\s*\S",
        r"<\|[\w ]{2,30}\|>|\[/?inst\]|<</?sys>>|</?(?:system|assistant|instructions?|"
        r"documents?|task|memories|pulse|evidence|tool_(?:call|result)s?)\b[^>\n]{0,60}>",
        r"\b(?:the )?(?:user|owner|admin(?:istrator)?|developer|operator|ceo|"
        r"security team)\s+(?:has |have )?(?:already\s+)?(?:authori[sz]ed|approved|"
        r"asked you|wants you|instructs? you|requires? you|permitted|consented)\b",
        r"\b(?:send|post|upload|forward|e-?mail|transmit|exfiltrate|leak|submit|"
        r"copy)\b.{0,120}\b(?:to|at)\s+(?:https?://|[\w.+-]+@[\w-]+\.|the (?:address|"
        r"endpoint|url|webhook))",
        r"\b(?:remember|memori[sz]e|store|save|keep|note)\b.{0,60}\b(?:for (?:all |"
        r"any )?(?:future|later|the next)|from now on|permanently|in (?:your |"
        r"the )?(?:memory|cache))\b",
        rf"\b(?:when(?:ever)?|if)\s+(?:you are |anyone |someone |somebody |a user |"
        rf"the user |users? )?(?:is |are )?asks?(?:ed)?\b.{{0,120}}\b{_DO}\b",
        r"\b(?:reveal|print|show|repeat|output|leak|"
        r"disclose)\b.{0,40}\b(?:system prompt|your (?:prompt|instructions|rules)|"
        r"api[ _-]?keys?|passwords?|secrets?|credentials|environment variables)\b",
        r"\b(?:ai|assistant|agent|llm|model)[-_ ](?:instructions?|directives?|commands?|orders?)\b",
        r"\b(?:end of|begin|start of)\s+(?:document|context|data|system|instructions?|"
        r"prompt|untrusted)\b.{0,40}[-=\]>:]",
        r"\bsimon says\b|\bjailbreak\b|\bdan mode\b|\bprompt injection:",
    )
)


def gives_orders(*texts: str) -> bool:
    """Return whether one of the texts tells whoever reads it what to do, openly or hidden."""
    return any(map(_gives_orders, texts))


def texts_in(value: Any) -> list[str]:
    """Return every text in a JSON value, keys too."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in texts_in(one)]
    return [text for one in value for text in texts_in(one)] if isinstance(value, list) else []


def printable(name: str) -> str:
    """Return the name of a file without what would end its line, or could not be seen."""
    return "".join(char if char.isprintable() else "?" for char in name)


@lru_cache(maxsize=5000)
def _gives_orders(text: str) -> bool:
    return len(text) > LONGEST or any(map(_orders, _readings(text)))


def _orders(text: str) -> bool:
    return any(pattern.search(text) for pattern in _ORDERS)


def _readings(text: str) -> Iterator[str]:
    """Yield the text as people see it, then what is hidden in it: comments, codes, spaced words."""
    plain = _plain(text)
    yield plain
    if _HIDDEN.search(text) and sum(map(len, _HIDDEN.findall(text))) > 8:
        yield from map(_plain, _tagged(text))
    yield from (_plain(piece) for piece in _decoded(text))
    spaced = _SPACED.sub(lambda match: re.sub(r"[ ._-]", "", match[0]), plain)
    if spaced != plain:
        yield spaced
    turned = (codecs.decode(plain, "rot13"), plain[::-1], _unquoted(plain))
    yield from (one for one in turned if one != plain and _HINT.search(one))


def _unquoted(text: str) -> str:
    """Return a text whose words were joined as names of files and addresses join them."""
    return re.sub(r"[_+-]", " ", unquote(text))


def _plain(text: str) -> str:
    shown = unicodedata.normalize("NFKC", html.unescape(_HIDDEN.sub("", text))).casefold()
    shown = shown.translate(_ALIKE).replace("’", "'")
    return re.sub(r"[^\S\n]+", " ", shown)


def _tagged(text: str) -> Iterator[str]:
    """Yield what is written in characters that nobody sees (Unicode tags)."""
    yield "".join(chr(ord(char) - 0xE0000) for char in text if 0xE0020 <= ord(char) <= 0xE007E)


def _decoded(text: str) -> Iterator[str]:
    for match in _BLOB.finditer(text):
        blob = match[0].rstrip("=").translate(str.maketrans("-_", "+/"))
        try:
            yield base64.b64decode(blob + "=" * (-len(blob) % 4)).decode("utf-8")
        except (binascii.Error, ValueError):
            continue
    for match in _HEX.finditer(text):
        try:
            yield bytes.fromhex(re.sub(r"[ :]", "", match[0])).decode("utf-8")
        except ValueError:
            continue
