"""Keeping secrets out of logs, prompts, traces, memories and commits.

Known shapes (keys, tokens, passwords in URLs) and the exact values of our own settings. Every
pattern reads its input once: a megabyte of hostile text costs no more than one of prose.
"""

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import quote

T = TypeVar("T")

MARK = "[redacted]"
SHORTEST = 4
"""Characters; a shorter secret would be found in every other word, and is not looked for."""
SHORT = 64
"""Characters; what was found in a text of so many is remembered."""

_NAME = (
    r"(?:api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key|signing[_-]?key|secret"
    r"|token|passw(?:or)?d|passphrase|pwd|credential)"
)
_IN_NAME = re.compile(rf"(?:{_NAME}|authorization|cookie)s?$", re.IGNORECASE)
_COUNTED = re.compile(r"tokens$", re.IGNORECASE)  # max_tokens and the like are numbers of words
_PLAIN = r"(?:none|null|true|false|str|string|bytes|secretstr|required|optional)\b"

_SHAPES = (
    # Without an end marker everything that follows is taken for the key.
    re.compile(
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}-----|\Z)", re.S
    ),
    re.compile(r"(?<![A-Za-z0-9_-])eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"),  # JSON web token
    re.compile(r"\b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b"),
    re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{20,})"),
    re.compile(r"\bxox[abeoprs]-[\w-]{10,}|\bxapp-[\w-]{10,}"),
    re.compile(r"(?<=hooks\.slack\.com/services/)[\w/]+"),
    re.compile(
        r"\b(?:sk|pk|rk)-(?=[\w-]{0,200}\d)[\w-]{16,}|\b(?:sk|rk|pk|whsec)_(?:live_|test_)?\w{16,}"
    ),
    re.compile(r"\bAIza[\w-]{35}|\bhf_\w{20,}|\bnpm_\w{36}|\bpypi-[\w-]{16,}|\blsv2_\w{20,}"),
)
_SET = rf"{_NAME}(?:[_-]\w{{1,16}})?[\"']?\s{{0,8}}[:=]\s{{0,8}}"
_SCHEME = r"(?:bearer|basic|token|digest|negotiate)\s"
_NAMED = tuple(
    (re.compile(pattern, re.IGNORECASE), plain)
    for pattern, plain in (
        (r"(?<=://)([^\s/:@]{0,200}):[^\s/]+@", rf"\1:{MARK}@"),
        (r"\b(bearer\s+)(?=[\w.~+/=-]{0,200}\d)[\w.~+/=-]{8,}", rf"\1{MARK}"),
        (
            rf"\b(authorization[\"']?\s*[:=]\s*[\"']?(?:{_SCHEME}+)?)(?!{_SCHEME})[^\s\"',\[]{{6,}}",
            rf"\1{MARK}",
        ),
        (rf"({_SET})(?:\"(?!\[)[^\"\n]{{1,500}}\"|'(?!\[)[^'\n]{{1,500}}')", rf'\1"{MARK}"'),
        (
            rf"({_SET})(?!{_PLAIN})[^\s\"',;&(){{}}\[\]<>]{{{SHORTEST},}}+(?![(\[])",
            rf"\1{MARK}",
        ),
    )
)


def redact(value: T, secrets: Iterable[str] = ()) -> T:
    """Return the value with every secret in its strings, keys too, replaced by a mark.

    `secrets` are exact values, found also as JSON or a URL writes them. Twice is the same as once.
    """
    redacted: T = _redact(value, _exactly(tuple(secrets)))
    return redacted


@lru_cache(maxsize=8)  # a process has the same ones all the time
def _exactly(secrets: tuple[str, ...]) -> re.Pattern[str] | None:
    written = {
        form
        for secret in secrets
        if len(secret) >= SHORTEST and secret not in MARK
        for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1])
    }
    longest_first = sorted(written, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if written else None


def _redact(value: Any, exact: re.Pattern[str] | None) -> Any:
    if isinstance(value, str):
        return _in_text(value, exact)
    if isinstance(value, bytes):
        return _in_text(value.decode("latin-1"), exact).encode("latin-1")
    if isinstance(value, dict):
        return {_redact(key, exact): _under(key, content, exact) for key, content in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return type(value)(_redact(item, exact) for item in value)
    return value


def _under(key: Any, content: Any, exact: re.Pattern[str] | None) -> Any:
    is_secret = isinstance(key, str) and _IN_NAME.search(key) and not _COUNTED.search(key)
    if is_secret and isinstance(content, str | bytes) and content:
        return MARK if isinstance(content, str) else MARK.encode()
    return _redact(content, exact)


def _in_text(text: str, exact: re.Pattern[str] | None) -> str:
    return _in_short(text, exact) if len(text) <= SHORT else _searched(text, exact)


@lru_cache(maxsize=4096)  # names and kinds come again with every act
def _in_short(text: str, exact: re.Pattern[str] | None) -> str:
    return _searched(text, exact)


def _searched(text: str, exact: re.Pattern[str] | None) -> str:
    if exact:
        text = exact.sub(MARK, text)
    for shape in _SHAPES:
        text = shape.sub(MARK, text)
    for shape, kept in _NAMED:
        text = shape.sub(kept, text)
    return text
