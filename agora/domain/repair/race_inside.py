"""Runs calls of two versions of one function inside the sandbox, each in a process of its own.

Sent as text to the workspace's own Python (3.9 or newer), so it imports nothing of ours. The clock
is read outside of the process that runs the function; whatever that remembers is gone with it.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import select
import signal
import sys
import time
from importlib.machinery import SourceFileLoader
from itertools import islice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Json = dict[str, Any]

MOST_ITEMS = 10_000  # of what a generator yields
SHOWN = 80
LONGEST = 4_300  # characters of a result that are sent: recorded ones are shorter
LOAD_S = 30.0


def main() -> None:
    """Read the order, then answer one line of calls after the other."""
    order = json.loads(sys.stdin.buffer.readline())
    said = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for fd in (1, 2):
        os.dup2(nowhere, fd)
    for line in sys.stdin.buffer:
        left = json.dumps(_heard(order, json.loads(line))).encode() + b"\n"
        while left:
            left = left[os.write(said, left) :]


def _heard(order: Json, job: Json) -> Json:
    """Return what each call has given and how long it took; None for one that came to no end."""
    heard: list[Any] = []
    until = time.monotonic() + job["until_s"]
    while len(heard) < len(job["calls"]):
        if time.monotonic() >= until:
            heard += [None] * (len(job["calls"]) - len(heard))
            break
        some = _some(order, job, len(heard), until)
        if some is None:
            return {"trouble": "the module cannot be loaded"}
        heard += some
    return {"heard": heard}


def _some(order: Json, job: Json, first: int, until: float) -> list[Any] | None:
    """Make calls in one process until one of them is late; None: they could not begin."""
    calls = job["calls"][first:]
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(ours)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            _work(order, job, calls, theirs)
        finally:
            os._exit(0)
    os.close(theirs)
    lines = _Lines(ours)
    try:
        if lines.next(time.monotonic() + LOAD_S) is None:
            return None
        return _follow(lines, job, len(calls), until)
    finally:
        os.close(ours)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _follow(lines: _Lines, job: Json, count: int, until: float) -> list[Any]:
    heard: list[Any] = []
    while len(heard) < count:
        began = time.perf_counter()
        late = min(time.monotonic() + job["limit_s"], until)
        if lines.next(late) is None:
            return [*heard, None]
        seconds = time.perf_counter() - began
        told = lines.next(time.monotonic() + LOAD_S)
        if told is None:
            return [*heard, None]
        heard.append({"seconds": seconds, **json.loads(told)})
    return heard


class _Lines:
    """Lines of a pipe, each awaited until a deadline."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.rest = b""

    def next(self, deadline: float) -> bytes | None:
        """Return the next line; None where it does not come in time, or at all."""
        while b"\n" not in self.rest:
            ready = select.select([self.fd], [], [], max(0.0, deadline - time.monotonic()))[0]
            piece = os.read(self.fd, 1 << 16) if ready else b""
            if not piece:
                return None
            self.rest += piece
        line, _, self.rest = self.rest.partition(b"\n")
        return line


def _work(order: Json, job: Json, calls: list[Json], pipe: int) -> None:
    """Load one version, and make the calls; a line when one has ended, and one of what it gave."""
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    root = os.getcwd()
    _overlay({os.path.join(root, path): text for path, text in job["files"].items()})
    folder = os.path.dirname(os.path.join(root, order["path"]))
    sys.path[:0] = [os.path.join(root, "src"), root]
    sys.path.append(folder)
    function = getattr(importlib.import_module(order["module"]), order["function"])
    if hasattr(function, "args_schema"):  # LangChain's wrapping
        function = function.func or function.coroutine
    os.write(pipe, b"ready\n")
    for call in calls:
        text = json.dumps(call)
        arguments = json.loads(text)
        error, answer = _outcome(function, arguments)
        os.write(pipe, b"done\n")
        told = _told(error, answer, arguments)
        if job["twice"]:
            # Who is given the same list twice sees in it what was done to it the first time.
            _spoil(answer)
            told["mark"] += _mark(arguments)
            error, answer = _outcome(function, json.loads(text))
            told["mark"] += f" {error or _mark(answer)}"
        left = json.dumps(told).encode() + b"\n"
        while left:
            left = left[os.write(pipe, left) :]


def _overlay(texts: dict[str, str]) -> None:
    """Let modules be read from these texts in the place of their files."""
    read, stats = SourceFileLoader.get_data, SourceFileLoader.path_stats

    def read_text(self: SourceFileLoader, path: str) -> bytes:
        return texts[path].encode() if path in texts else read(self, path)

    def stat_text(self: SourceFileLoader, path: str) -> Any:
        if path in texts:
            raise OSError("there is no compiled file of it")
        return stats(self, path)

    setattr(SourceFileLoader, "get_data", read_text)  # noqa: B010  # types know no other way
    setattr(SourceFileLoader, "path_stats", stat_text)  # noqa: B010


def _outcome(function: Callable[..., Any], arguments: Json) -> tuple[str, Any]:
    """Return the exception's class or "", and the answer; what comes bit by bit is taken whole."""
    try:
        answer = function(**arguments)
        if hasattr(answer, "__await__"):
            answer = _awaited(answer)
        if hasattr(answer, "__next__"):
            answer = [type(answer).__name__, list(islice(answer, MOST_ITEMS))]
    except BaseException as error:
        return f"!{type(error).__name__}", None
    return "", answer


def _awaited(value: Any) -> Any:
    import asyncio

    async def wait() -> Any:
        return await value

    return asyncio.run(wait())


def _told(error: str, answer: Any, arguments: Json) -> Json:
    """Return a mark of the answer and of what became of the arguments, and the answer in short."""
    if error:
        return {"mark": f"{error} {_mark(arguments)}", "shown": error[1:], "result": None}
    try:
        result = json.dumps(answer, default=repr)
    except (TypeError, ValueError, RecursionError):
        result = ""
    shown = " ".join(ascii(answer)[:SHOWN].split())
    sent = result if len(result) <= LONGEST else ""
    return {"mark": f"{_mark(answer)} {_mark(arguments)}", "shown": shown, "result": sent}


def _mark(value: Any) -> str:
    try:
        text = _text(value)
    except RecursionError:
        text = repr(value)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _text(value: Any) -> str:
    """Return a value with the kinds of all its parts; sets have no order."""
    kind = type(value).__name__
    if isinstance(value, dict):
        return f"{kind}{[(_text(key), _text(one)) for key, one in value.items()]}"
    if isinstance(value, (set, frozenset)):
        return f"{kind}{sorted(map(_text, value))}"
    if isinstance(value, (list, tuple)):
        return f"{kind}{[_text(one) for one in value]}"
    return f"{kind} {value!r}"


def _spoil(value: Any) -> None:
    """Empty all that can be emptied of a value."""
    if isinstance(value, dict):
        parts = list(value.values())
    elif isinstance(value, (list, tuple)):
        parts = list(value)
    else:
        parts = []
    for one in parts:
        _spoil(one)
    if isinstance(value, (list, dict, set, bytearray)):
        value.clear()


if __name__ == "__main__":
    main()
