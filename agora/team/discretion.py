"""Discretion: what leaves this process as a log line, a trace or an error holds no secret.

Prompts, tool records, cache and memories are redacted where they are made.
"""

import os
from collections.abc import MutableMapping
from functools import cache
from typing import Any, TypeVar

from agora.domain.errors import SettingsError
from agora.domain.redaction import redact
from agora.domain.settings import load

T = TypeVar("T")


@cache
def secrets() -> tuple[str, ...]:
    """Return the secrets of this process's settings; none where they cannot be read."""
    try:
        return load(os.environ).secrets
    except SettingsError:
        return ()


def discreet(value: T) -> T:
    """Return a value without secrets: those of the settings, and whatever looks like one."""
    return redact(value, secrets())


def hush(logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Redact a log line: a processor of structlog."""
    return discreet(dict(event))


def begin() -> None:
    """Let LangSmith, where it is on, see nothing unredacted: texts of exceptions included.

    Must come before the first run: the client that the first one makes stays.
    """
    from langsmith import run_trees, utils

    if utils.tracing_is_enabled():
        run_trees.get_cached_client(anonymizer=discreet)
