"""Discretion: what leaves this process as a log line, a trace or an error holds no secret.

Prompts, tool records, cache and memories are redacted where they are made.
"""

import logging
import os
import traceback
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


class DiscreetRecord(logging.LogRecord):
    """A log line of whichever library, without secrets before any handler sees it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if isinstance(self.msg, dict):  # structlog, where it writes by way of `logging`
            self.msg = _line_of(self.msg)
        else:
            self._hush()
        self.stack_info = discreet(self.stack_info)

    def _hush(self) -> None:
        if isinstance(self.args, tuple):  # as many as before: formatters count them
            self.args = tuple(discreet(one) if isinstance(one, str) else one for one in self.args)
        try:
            said = self.getMessage()
        except (TypeError, ValueError, KeyError):  # a format that does not fit
            said = self.msg = f"{self.msg} {self.args}"
            self.args = ()
        fault = _fault_of(self.exc_info)
        safe, safe_fault = discreet(said), discreet(fault)
        if safe_fault != fault:  # its own text comes with its traceback: neither is kept
            safe, self.exc_info = f"{safe}\n{safe_fault}", None
        if safe != said:
            self.msg, self.args = safe, ()


def _line_of(event: Any) -> Any:
    fault = _fault_of(event.get("exc_info"))
    if (safe := discreet(fault)) != fault:
        event = {key: value for key, value in event.items() if key != "exc_info"}
        event["exception"] = safe
    return {key: one if key == "exc_info" else discreet(one) for key, one in event.items()}


def _fault_of(raised: Any) -> str:
    error = raised[1] if isinstance(raised, tuple) else raised
    return "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else ""


def guard_logs() -> None:
    """Let no line that goes by way of `logging` hold a secret, whoever writes it and where."""
    logging.setLogRecordFactory(DiscreetRecord)


def begin() -> None:
    """Guard the logs, and let LangSmith, where it is on, see nothing unredacted.

    Texts of exceptions neither. Must come before the first run: the client that it makes stays.
    """
    from langsmith import run_trees, utils

    guard_logs()
    if utils.tracing_is_enabled():
        run_trees.get_cached_client(anonymizer=discreet)
