"""When two answers are the same: a normal form of free text, numbers and JSON replies."""

import json
import re
import unicodedata

LEAD = re.compile(r"^\s*(?:the\s+)?(?:final\s+|correct\s+)?(?:answer|option|choice)\s*(?:is|:)?\s*")
NUMBER = re.compile(r"(?<![\w.])[-+−]?\d+(?:[,.'’ \u00a0]\d{3})*(?:[.,]\d+)?(?![\w])|[-−]?\d[\d.,]*")
WORD = re.compile(r"-?\d+(?:\.\d+)?|[^\W_]+|%")
ARTICLES = frozenset(("a", "an", "the"))


def normal_form(answer: str) -> str:
    """Return what is left of an answer without case, punctuation, articles and spelling of numbers.

    Of a JSON object only its field `answer` counts; "The answer is (B)." is "b", "1,000.50" "1000.5".
    """
    text = unicodedata.normalize("NFKC", _field(answer)).casefold()
    text = LEAD.sub("", text, count=1)
    words = WORD.findall(NUMBER.sub(lambda found: f" {_number(found[0])} ", text))
    return " ".join([word for word in words if word not in ARTICLES] or words)


def _field(answer: str) -> str:
    begin, end = answer.find("{"), answer.rfind("}")
    if begin < 0 or end < begin:
        return answer
    try:
        reply = json.loads(answer[begin : end + 1])
    except ValueError:
        return answer
    found = reply.get("answer", answer) if isinstance(reply, dict) else answer
    return found if isinstance(found, str) else json.dumps(found)
