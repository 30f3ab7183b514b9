"""When two answers are the same: a normal form of free text, numbers and JSON replies."""

import json
import re
import unicodedata

LEAD = re.compile(
    r"^\W*(?:the\s+)?(?:(?:final|correct|best)\s+)?(?:answer|option)\s*(?:is\b|:)?\s*"
)
TOKEN = re.compile(r"(?:(?<!\w)-)?\d+(?:[.,'’]\d+)*|[^\W\d_]+|%|\d+")
THOUSANDS = re.compile(r"-?\d{1,3}(?:([,.'’])\d{3})(?:\1\d{3})*")
DECIMAL = re.compile(r"(.*?)(?:[.,](\d+))?")
ARTICLES = frozenset(("a", "an", "the"))


def normal_form(answer: str) -> str:
    """Return an answer without case, punctuation, articles and ways to write a number.

    Of a JSON object only the field `answer` counts; "The answer is (B)." gives "b", "1,000.50"
    gives "1000.5". An answer without any letter or digit gives "".
    """
    text = unicodedata.normalize("NFKC", _field(answer)).casefold().replace("−", "-")
    words = [_canonical(token) for token in TOKEN.findall(LEAD.sub("", text, count=1))]
    return " ".join([word for word in words if word not in ARTICLES] or words)


def _canonical(token: str) -> str:
    """Return one spelling of a number; words, versions and dates stay as they are."""
    if not token[-1].isdecimal():
        return token
    head, fraction = DECIMAL.fullmatch(token).groups()  # type: ignore[union-attr]  # any does
    # 1,000 and 1.000.000 are grouped, 1.000 has a fraction.
    if THOUSANDS.fullmatch(token) and token.count(".") != 1:
        head, fraction = token, None
    if THOUSANDS.fullmatch(head):
        head = re.sub(r"[,.'’]", "", head)
    if not re.fullmatch(r"-?\d+", head):
        return token
    whole = ("-" if head[0] == "-" else "") + (head.lstrip("-0") or "0")
    return f"{whole}.{fraction}".rstrip("0").rstrip(".") if fraction else whole


def _field(answer: str) -> str:
    begin, end = answer.find("{"), answer.rfind("}")
    if begin < 0 or end < begin:
        return answer
    try:
        reply = json.loads(answer[begin : end + 1])
    except (ValueError, RecursionError):
        return answer
    found = reply.get("answer", answer) if isinstance(reply, dict) else answer
    return found if isinstance(found, str) else json.dumps(found)
