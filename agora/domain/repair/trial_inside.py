"""What runs inside the sandbox: a supervisor that counts, and a child that runs the tests.

The child can end itself, patch pytest or print what it likes: only results that reach the
supervisor through a pipe count, a test without one has failed, and what was patched is told.
Sent as text to the workspace's own Python (3.9 or newer), so it imports nothing of ours.
"""

# ruff: noqa: E402
from __future__ import annotations

import sys

# The current folder is the tree under test: it must not shadow what is imported here.
sys.path[:] = [place for place in sys.path if place]

import ast
import ctypes
import json
import os
import resource
import select
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType, TracebackType
from typing import Any

import pytest

Json = dict[str, Any]
SHORT = 200
TOLD = 50  # failures that are told in full
LIVES = 25  # a child that dies is started again for the tests that are left
GRACE_S = 1.0
DUMPABLE = 4  # PR_SET_DUMPABLE


class DeadlineError(BaseException):
    """A test ran past its own deadline."""


def tree_path(file: str) -> str | None:
    """Return a file's path inside of the tree, None for anything else."""
    place = os.path.relpath(os.path.realpath(file), os.path.realpath(os.getcwd()))
    outside = place.startswith("..") or "site-packages" in place or not place.endswith(".py")
    return None if outside else place


def short(value: object) -> str:
    """Return a value as text that fits a report, whatever its `__repr__` does."""
    try:
        text = repr(value)
    except BaseException as error:
        text = f"<{type(value).__name__}: {type(error).__name__}>"
    return text if len(text) <= SHORT else text[: SHORT - 1] + "…"


def frames(traceback: TracebackType | None) -> Iterator[tuple[str, int, Json]]:
    """Yield path, line and locals of every frame inside of the tree, the innermost last."""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        path = tree_path(code.co_filename)
        if path is not None:
            yield path, traceback.tb_lineno, traceback.tb_frame.f_locals
        traceback = traceback.tb_next


def failing_call(path: str, line: int) -> str:
    """Return the source of the call that the assert at this line checks, or nothing."""
    try:
        with open(path, "rb") as file:
            source = file.read().decode("utf-8", "replace")
        tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError):
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and node.lineno <= line <= (node.end_lineno or line):
            calls = [n for n in ast.walk(node.test) if isinstance(n, ast.Call)]
            return (ast.get_source_segment(source, calls[0]) or "")[:SHORT] if calls else ""
    return ""


def describe(error: BaseException) -> Json:
    """Return what a person needs to see of an exception: type, message, place and values."""
    seen = list(frames(error.__traceback__))[-30:]
    path, line, values = seen[-1] if seen else ("", 0, {})
    if isinstance(error, SyntaxError) and error.filename and not error.text:
        path, line = tree_path(error.filename) or path, error.lineno or line
    names = [name for name in values if not name.startswith(("__", "@"))][:30]
    asserts = [(p, n) for p, n, _ in seen if isinstance(error, AssertionError)]
    return {
        "exception": type(error).__name__,
        "message": str(error)[:2000],
        "path": path,
        "line": line,
        "values": {name: short(values[name]) for name in names},
        "call": failing_call(*asserts[0]) if asserts else "",
        "frames": [[p, n] for p, n, _ in seen],
    }


class Reporter:
    """The pytest plugin that tells the supervisor what happens, as it happens."""

    def __init__(self, tell: Callable[[Json], None], settled: list[str], order: Json) -> None:
        """Tell by `tell`, skip what is settled, and give tests the seconds of the order."""
        self.tell = tell
        self.settled = set(settled)
        self.each_s: float = order["each_s"]
        self.until: float = order["until"]
        self.failure: Json | None = None
        self.outcome = "unfinished"

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Tell which tests there are, and keep those that have no result yet."""
        self.tell({"kind": "collected", "ids": [item.nodeid for item in items]})
        items[:] = [item for item in items if item.nodeid not in self.settled]

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        """Time one test from its setup to the end of its teardown."""
        self.failure, self.outcome, started = None, "unfinished", time.monotonic()
        self.tell({"kind": "start", "id": item.nodeid})
        signal.setitimer(signal.ITIMER_REAL, self.each_s)
        yield
        signal.setitimer(signal.ITIMER_REAL, 0)
        seconds = time.monotonic() - started
        if time.monotonic() > self.until:
            item.session.shouldstop = "its time is over"
        if self.outcome == "unfinished":
            self.outcome, self.failure = "failed", lost("", "ended pytest")["failure"]
        result = {"id": item.nodeid, "outcome": self.outcome, "seconds": seconds}
        self.tell({"kind": "result", "failure": self.failure, **result})

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Iterator[None]:
        """Judge a phase by what it raised, before anybody can say otherwise."""
        raised = call.excinfo.value if call.excinfo else None
        produced: Any = yield
        report = produced.get_result()
        if report.skipped or hasattr(report, "wasxfail"):
            self.outcome = "skipped" if self.outcome != "failed" else self.outcome
        elif raised is not None or report.failed:
            self.outcome = "failed"
            error = raised or AssertionError(str(report.longrepr))
            self.failure = self.failure or describe(error)
        elif call.when == "call" and self.outcome == "unfinished":
            self.outcome = "passed"

    def pytest_exception_interact(self, node: Any, call: Any, report: Any) -> None:
        """Tell of a file that cannot be collected: the module it imports may be what is broken."""
        if report.when == "collect" and call.excinfo:
            failure = describe(call.excinfo.value.__cause__ or call.excinfo.value)
            self.tell({"kind": "uncollected", "id": node.nodeid, "failure": failure})


def fingerprint() -> dict[str, tuple[int, int]]:
    """Return the identity of every function of pytest, to see later which were replaced."""
    found: dict[str, tuple[int, int]] = {}
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] not in ("_pytest", "pytest", "pluggy", "unittest"):
            continue
        for owner in [module, *(o for o in vars(module).values() if isinstance(o, type))]:
            for key, value in list(vars(owner).items()):
                value = getattr(value, "__func__", value)
                if isinstance(value, FunctionType):
                    place = f"{name}.{getattr(owner, '__name__', '')}.{key}"
                    found[place] = (id(value), id(value.__code__))
    return found


def late(*_: object) -> None:
    """End the test that is running."""
    raise DeadlineError("ran past its deadline")


def run_child(order: Json, settled: list[str], pipe: int, token: str, said: int) -> None:
    """Run pytest in this process and tell each result; never returns."""
    for fd in (1, 2):
        os.dup2(said, fd)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def tell(frame: Json) -> None:
        os.write(pipe, (json.dumps({**frame, "token": token}) + "\n").encode())

    signal.signal(signal.SIGALRM, late)
    before = fingerprint()
    if order["adds_cwd"]:
        sys.path.insert(0, "")
    status = int(pytest.main(order["arguments"], [Reporter(tell, settled, order)]))
    after = fingerprint()
    tampered = sorted(name for name, mark in before.items() if after.get(name) != mark)
    tell({"kind": "end", "status": status, "tampered": tampered[:20]})
    sys.stdout.flush()
    os._exit(0)


class Supervisor:
    """Counts results, ends what hangs, and starts a child again for the tests that are left."""

    def __init__(self, order: Json) -> None:
        """Take the order: arguments of pytest, and the seconds of each test."""
        self.until = time.monotonic() + order["within_s"]  # no test begins after this
        self.order = {**order, "until": self.until}
        self.token = os.urandom(8).hex()
        self.ids: list[str] = []
        self.results: dict[str, Json] = {}
        self.end: Json = {}
        self.running: tuple[str, float] | None = None
        self.collected_by = time.monotonic() + order["collect_s"]
        self.said = tempfile.TemporaryFile()

    def run(self) -> Json:
        """Return results by id, the runner's own status and what it printed."""
        for _ in range(LIVES):
            known = len(self.results)
            self.live()
            self.bury()
            left = [name for name in self.ids if name not in self.results]
            is_over = time.monotonic() > self.until
            if not left or is_over or len(self.results) == known:
                break
        for name in [] if is_over else left:
            self.results[name] = lost(name, "never ran: the tests before it ended pytest")
        self.said.seek(0)
        output = self.said.read()[-4000:].decode("utf-8", "replace")
        memory_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        said = {"output": output, "memory_kb": memory_kb, "unrun": left if is_over else []}
        return {"results": list(briefly(self.results.values())), **said, **self.end}

    def live(self) -> None:
        """Run one child to its end."""
        ours, theirs = os.pipe()
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            os.close(ours)
            run_child(self.order, list(self.results), theirs, self.token, self.said.fileno())
        harden()
        os.close(theirs)
        rest = b""
        while True:
            ready = select.select([ours], [], [], self.patience())[0]
            piece = os.read(ours, 1 << 16) if ready else b""
            if not piece:
                break
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                self.hear(line)
        os.close(ours)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    def patience(self) -> float | None:
        """Return how long the running test may still stay silent, in seconds."""
        if self.running is None:
            return None if self.ids else max(0.0, self.collected_by - time.monotonic())
        left: float = self.running[1] + self.order["each_s"] + GRACE_S - time.monotonic()
        return max(0.0, left)

    def hear(self, line: bytes) -> None:
        """Take in one frame of the child; what carries no token is not from our reporter."""
        try:
            frame = json.loads(line)
        except ValueError:
            return
        if not isinstance(frame, dict) or frame.pop("token", None) != self.token:
            return
        kind = frame.pop("kind")
        if kind == "collected":
            self.ids = self.ids or frame["ids"]
        elif kind == "start":
            self.running = (frame["id"], time.monotonic())
        elif kind == "result":
            self.running = None
            self.results.setdefault(frame["id"], frame)
        elif kind == "uncollected":
            self.results.setdefault(frame["id"], {**frame, "outcome": "failed", "seconds": 0.0})
        elif kind == "end":
            self.end = frame

    def bury(self) -> None:
        """Fail the test that the child died of."""
        if self.running is not None:
            name, started = self.running
            hung = time.monotonic() - started >= self.order["each_s"]
            why = "ran past its deadline" if hung else "ended the process"
            self.results[name] = lost(name, why)
            self.running = None


def briefly(results: Iterable[Json]) -> Iterator[Json]:
    """Yield results of which the first failures alone are told in full: there may be thousands."""
    told = 0
    for result in results:
        failure = result["failure"]
        told += failure is not None
        if failure is not None and told > TOLD:
            short = {"message": failure["message"][:SHORT], "values": {}, "call": ""}
            failure = {**failure, **short, "frames": failure["frames"][-3:]}
        yield {**result, "failure": failure}


def lost(name: str, why: str) -> Json:
    """Return the result of a test that gave none."""
    blank = {"path": "", "line": 0, "values": {}, "call": "", "frames": []}
    failure = {"exception": "LostTestError", "message": why, **blank}
    return {"id": name, "outcome": "failed", "seconds": 0.0, "failure": failure}


def harden() -> None:
    """Close our memory and descriptors to the child, which has our uid."""
    ctypes.CDLL(None).prctl(DUMPABLE, 0, 0, 0, 0)


def main() -> None:
    """Read the order and, once the child has been started, the nonce; print the signed result."""
    order = json.loads(sys.stdin.buffer.readline())
    report = Supervisor(order).run()
    nonce = sys.stdin.buffer.readline().decode().strip()
    sys.stdout.write(f"\n{nonce} {json.dumps(report)}\n")
    sys.stdout.flush()
    os._exit(0)


main()
