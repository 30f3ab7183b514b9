"""What a search runs inside the sandbox: tests collected once, then a process for each candidate.

A candidate replaces its module in place, so that no import, no collection and no start of pytest
is paid for it. What passes here is only plausible: survivors are tested again from a fresh copy.
Sent as text to the workspace's own Python (3.9 or newer), so it imports nothing of ours.
"""

# ruff: noqa: E402
from __future__ import annotations

import sys

# The current folder is the tree under test: it must not shadow what is imported here.
sys.path[:] = [place for place in sys.path if place]

import ast
import ctypes
import gc
import hashlib
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import pytest

Json = dict[str, Any]
Edit = tuple[int, int, str]  # bytes from, to, and what stands there instead
PASS, FAIL, LATE = b"+", b"-", b"!"
SHOWN = 80  # characters of an answer that a person sees
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
WALL = 25  # a sleeping candidate gets this many times its share of the processor


class DeadlineError(BaseException):
    """A test ran past its deadline."""


def run_item(item: Any, after: Any) -> None:
    """Run one test with its fixtures, which alone may ask for a report; raise what it raises."""
    if hasattr(item, "_initrequest"):
        item._initrequest()
    try:
        item.ihook.pytest_runtest_setup(item=item)
        report(item, "setup")
        item.ihook.pytest_runtest_call(item=item)
        report(item, "call")
    finally:
        item.ihook.pytest_runtest_teardown(item=item, nextitem=after)
    caught = getattr(item, "_excinfo", None)  # unittest keeps its failures to itself
    if caught:
        raise AssertionError("unittest failed")


def report(item: Any, phase: Any) -> None:
    """Tell fixtures that a phase went well, as `tmp_path` does not end without."""
    if getattr(item, "fixturenames", ()):
        call = pytest.CallInfo.from_call(lambda: None, phase)
        item.ihook.pytest_runtest_makereport(item=item, call=call)


def followed(items: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield each test with the one after it, which decides what its teardown keeps."""
    for place, item in enumerate(items):
        yield item, items[place + 1] if place + 1 < len(items) else None


def run_all(items: list[Any]) -> bool:
    """Return whether all tests pass; stop at the first that does not."""
    for item, after in followed(items):
        try:
            run_item(item, after)
        except BaseException:
            tidy(items, items[0])
            return False
    return True


def tidy(items: list[Any], following: Any) -> None:
    """Tear down what the test that comes next has no use for: all, where none does."""
    try:
        items[0].session._setupstate.teardown_exact(following)
    except BaseException as error:
        del error  # of no interest: the candidate has had its verdict


def place_of(file: str) -> str:
    """Return a file's path relative to the tree."""
    return os.path.relpath(os.path.realpath(file), os.path.realpath(os.getcwd()))


def is_own(file: str) -> bool:
    """Return whether a file is the tree's, and of no environment that lies in it."""
    place = place_of(file)
    return not place.startswith("..") and "site-packages" not in place


class Module:
    """A loaded module of the tree, whose code candidates replace in place."""

    def __init__(
        self, path: str, functions: list[FunctionType], modules: dict[str, ModuleType]
    ) -> None:
        """Remember which of these functions were made from this file, and who may hold them."""
        module = modules[path]
        self.modules = list(modules.values())
        with open(path, "rb") as file:
            self.source = file.read()
        self.path = path
        self.module = module
        file_name = module.__file__ or path
        self.names = {place: key for key, place in walk(compile(self.source, file_name, "exec"))}
        self.functions = [
            (self.names[mark], one)
            for one in functions
            if one.__code__.co_filename == file_name
            and (mark := mark_of(one.__code__)) in self.names
        ]

    def edited(self, edits: list[Edit]) -> bytes:
        """Return the source with these edits applied, the last one first."""
        source = self.source
        for start, end, text in sorted(edits, reverse=True):
            source = source[:start] + text.encode() + source[end:]
        return source

    def replace(self, edits: list[Edit]) -> None:
        """Run the edited source in the module's own namespace and renew what others hold of it."""
        code = compile(self.edited(edits), self.module.__file__ or self.path, "exec")
        space = vars(self.module)
        before = dict(space)
        exec(code, space)
        fresh = {key: one for key, _, one in walk_code(code)}
        for key, function in self.functions:
            renew(function, fresh.get(key))
        defaults(before, space)
        changed = {n: v for n, v in before.items() if space[n] is not v and not is_code(v)}
        for other in self.modules if changed else []:
            held = vars(other)
            for name, value in changed.items():
                if held is not space and held.get(name, held) is value:
                    held[name] = space[name]


def is_code(value: object) -> bool:
    """Return whether a value is renewed in place instead of replaced."""
    return isinstance(value, FunctionType)


def renew(function: FunctionType, code: CodeType | None) -> None:
    """Give a function its edited code, where both close over as many names."""
    if code is not None and len(code.co_freevars) == len(function.__code__.co_freevars):
        function.__code__ = code


def defaults(before: Json, after: Json) -> None:
    """Give functions and methods that others hold the defaults of their successors."""
    for name, old in before.items():
        fresh = after.get(name)
        if isinstance(old, FunctionType) and isinstance(fresh, FunctionType):
            old.__defaults__, old.__kwdefaults__ = fresh.__defaults__, fresh.__kwdefaults__
        elif isinstance(old, type) and isinstance(fresh, type) and old is not fresh:
            defaults(dict(vars(old)), dict(vars(fresh)))


def mark_of(code: CodeType) -> tuple[str, int]:
    """Return what tells a function from others of its file."""
    return code.co_name, code.co_firstlineno


def walk_code(code: CodeType, above: str = "") -> Iterator[tuple[str, tuple[str, int], CodeType]]:
    """Yield key, mark and code of every function below; keys survive edits of other lines."""
    seen: dict[str, int] = {}
    for part in code.co_consts:
        if isinstance(part, CodeType):
            seen[part.co_name] = seen.get(part.co_name, 0) + 1
            key = f"{above}.{part.co_name}#{seen[part.co_name]}"
            yield key, mark_of(part), part
            yield from walk_code(part, key)


def walk(code: CodeType) -> Iterator[tuple[str, tuple[str, int]]]:
    """Yield key and mark of every function below."""
    for key, mark, _ in walk_code(code):
        yield key, mark


def tree_modules() -> Iterator[ModuleType]:
    """Yield the modules that were loaded from the tree."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(module, ModuleType) and file and is_own(file):
            yield module


class Tracer:
    """Records which lines of the tree a test executes."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.lines: dict[str, set[int]] = {}
        self.known: dict[str, set[int] | None] = {}
        self.types: dict[str, dict[str, str]] = {}  # of locals, by path:line of their function
        self.calls: list[Json] = []  # of functions of the tree, as other files make them

    def enter(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        """Follow frames of the tree only."""
        file = frame.f_code.co_filename
        if file not in self.known:
            inside = file[:1] == "/" and is_own(file)
            self.known[file] = self.lines.setdefault(place_of(file), set()) if inside else None
        lines = self.known[file]
        if lines is None:
            return None
        self.called(frame)

        def follow(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
            lines.add(frame.f_lineno)
            if event == "return":
                self.leave(frame)
            return follow

        return follow

    def called(self, frame: FrameType) -> None:
        """Remember with which plain values another file calls a function."""
        code, caller = frame.f_code, frame.f_back
        if caller is None or caller.f_code.co_filename == code.co_filename or len(self.calls) > 30:
            return
        if self.known.get(caller.f_code.co_filename) is None or not code.co_argcount:
            return
        names = code.co_varnames[: code.co_argcount]
        arguments = [repr(frame.f_locals.get(name)) for name in names]
        if sum(map(len, arguments)) < 2000:
            place = {"path": place_of(code.co_filename), "name": code.co_name}
            self.calls.append({**place, "arguments": arguments})

    def learn(self, error: BaseException) -> None:
        """Look into the functions that an exception has ended, most of all a late one."""
        traceback = error.__traceback__
        while traceback is not None:
            if self.known.get(traceback.tb_frame.f_code.co_filename) is not None:
                self.leave(traceback.tb_frame)
            traceback = traceback.tb_next

    def leave(self, frame: FrameType) -> None:
        """Remember what kind of value each local variable held at the end."""
        key = f"{place_of(frame.f_code.co_filename)}:{frame.f_code.co_firstlineno}"
        known = self.types.setdefault(key, {})
        if len(known) < 100:
            known.update((name, type(value).__name__) for name, value in frame.f_locals.items())


def late(*_: object) -> None:
    """End the test that is running."""
    raise DeadlineError("ran past its deadline")


def observe(items: list[Any], pipe: int, each_s: float) -> None:
    """Run each test under the tracer and write what it executed."""
    signal.signal(signal.SIGALRM, late)
    for item, after in followed(items):
        tracer, passed = Tracer(), True
        started, began = time.process_time(), time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, each_s)
        sys.settrace(tracer.enter)
        try:
            run_item(item, after)
        except BaseException as error:
            passed = False
            sys.settrace(None)
            tracer.learn(error)
        finally:
            sys.settrace(None)
            signal.setitimer(signal.ITIMER_REAL, 0)
        lines = {path: sorted(seen) for path, seen in tracer.lines.items()}
        seconds = time.process_time() - started
        frame = {"id": item.nodeid, "passed": passed, "seconds": seconds, "lines": lines}
        frame["late"] = time.monotonic() - began >= each_s
        frame.update(types=tracer.types, calls=tracer.calls)
        os.write(pipe, (json.dumps(frame) + "\n").encode())


class Rehearsal:
    """The pytest plugin that answers the search instead of running the tests once."""

    def __init__(self, order: Json, said: int) -> None:
        """Take the order, and where answers are written."""
        self.order = order
        self.said = said
        self.modules: dict[str, Module] = {}

    def pytest_collection(self) -> None:
        """Prepare Hypothesis before any test is imported, and after its plugin is."""
        if "no:hypothesispytest" not in self.order["arguments"]:
            steady_properties()

    def pytest_runtestloop(self, session: Any) -> bool:
        """Observe the tests, then try candidates until the search says goodbye."""
        self.items = {item.nodeid: item for item in session.items}
        self.loaded = {_file(module): module for module in tree_modules()}
        self.answer({"observed": self.observed(), "files": sorted(self.loaded)})
        gc.collect()
        # Listed before they are frozen, which hides them from the collector.
        self.functions = [one for one in gc.get_objects() if isinstance(one, FunctionType)]
        gc.freeze()
        for line in sys.stdin.buffer:
            batch = json.loads(line)
            if "calls" in batch:
                self.answer({"behaviours": self.probed(batch)})
            else:
                self.answer({"verdicts": self.tried(batch)})
        return True

    def answer(self, frame: Json) -> None:
        """Write one line to the search."""
        os.write(self.said, (json.dumps(frame) + "\n").encode())

    def observed(self) -> list[Json]:
        """Return outcome, time and lines of each wanted test, from a process of its own."""
        wanted = [self.items[name] for name in self.order["observe"] if name in self.items]
        if not wanted:
            return []

        def work(pipe: int) -> None:
            observe(wanted, pipe, self.order["each_s"])

        said = forked(work, self.order["each_s"] * 3 + 2)
        return [json.loads(line) for line in said.splitlines() if line.endswith(b"}")]

    def tried(self, batch: Json) -> str:
        """Return a mark for each candidate: passed, failed, or late."""
        items = [self.items[name] for name in batch["tests"] if name in self.items]
        # Parameters outlive a test, so what one candidate does to them another would see.
        shared = any(hasattr(item, "callspec") for item in items)
        at_once = 1 if shared else batch["at_once"]
        marks, left = b"", batch["candidates"]
        while left:
            some = left[:at_once]
            said = self.tried_here(some, items, batch["deadline_s"])[: len(some)]
            # A process that fell silent was killed at its deadline, in its next candidate.
            said += LATE if len(said) < len(some) else b""
            marks += said
            left = left[len(said) :]
        return marks.decode()

    def tried_here(self, some: list[Json], items: list[Any], deadline_s: float) -> bytes:
        """Try some candidates in one process; the answer is short if it dies of one."""
        for candidate in some:
            for path in candidate:
                self.module(path)

        def work(pipe: int) -> None:
            for candidate in some:
                signal.setitimer(signal.ITIMER_PROF, deadline_s)
                signal.setitimer(signal.ITIMER_REAL, deadline_s * WALL)
                os.write(pipe, PASS if self.passes(candidate, items) else FAIL)
            signal.setitimer(signal.ITIMER_PROF, 0)
            tidy(items, None)

        return forked(work, deadline_s * WALL * len(some) + 1)

    def passes(self, candidate: Json, items: list[Any]) -> bool:
        """Return whether all tests pass with this candidate's edits in place."""
        try:
            self.replace(candidate)
        except BaseException:
            return False
        return run_all(items)

    def probed(self, batch: Json) -> list[list[str]]:
        """Return what each candidate answers to each call; shorter where it was too slow."""
        behaviours = []
        for candidate in batch["candidates"]:
            for path in (*candidate, *(call["path"] for call in batch["calls"])):
                self.module(path)

            def work(pipe: int, candidate: Json = candidate) -> None:
                signal.setitimer(signal.ITIMER_PROF, batch["deadline_s"])
                self.replace(candidate)
                for call in batch["calls"]:
                    function = vars(self.loaded[call["path"]])[call["name"]]
                    told = replayed(function, call) if "named" in call else ""
                    told = told or behaviour(function, call["arguments"], batch.get("lines"))
                    os.write(pipe, told.encode() + b"\n")

            said = forked(work, batch["deadline_s"] * WALL + 1)
            behaviours.append(said.decode().splitlines())
        return behaviours

    def replace(self, candidate: Json) -> None:
        """Put a candidate's edits in place."""
        for path, edits in candidate.items():
            self.modules[path].replace([(a, b, text) for a, b, text in edits])

    def module(self, path: str) -> None:
        """Load what is known of one file, once."""
        if path not in self.modules:
            self.modules[path] = Module(path, self.functions, self.loaded)


def behaviour(function: Callable[..., Any], texts: list[str], lines: bool | None = False) -> str:
    """Return a mark of what a call answers and does to its arguments, and the answer in short.

    An exception is marked by "!", with its innermost line if `lines` are wanted.
    """
    arguments = [ast.literal_eval(text) for text in texts]
    try:
        answer = function(*arguments)
        shown = ascii(answer)
        text = f"{answer!r} {arguments!r}"
    except BaseException as error:
        place = error.__traceback__
        while lines and place is not None and place.tb_next is not None:
            place = place.tb_next
        return f"!{type(error).__name__}" + (f" {place.tb_lineno}" if lines and place else "")
    mark = f"{type(answer).__name__} {hashlib.sha256(text.encode()).hexdigest()[:16]}"
    return f"{mark} {' '.join(shown[:SHOWN].split())}"


def replayed(function: Callable[..., Any], call: Json) -> str:
    """Return "=" where a recorded call gives what was recorded, else what it gives now."""
    try:
        answer = function(**call["named"])
        told = json.loads(json.dumps(answer, default=repr))
    except BaseException as error:
        return f"!{type(error).__name__}"
    return "=" if told == call["wanted"] else f"- - {' '.join(ascii(answer)[:SHOWN].split())}"


def _file(module: ModuleType) -> str:
    return place_of(module.__file__ or "")


def forked(work: Callable[[int], None], timeout_s: float) -> bytes:
    """Return what a process of its own writes before it ends or is ended, and all it started."""
    known, folder = set(children()), tempfile.mkdtemp()
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(ours)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            tempfile.tempdir = os.environ["TMPDIR"] = folder
            work(theirs)
        finally:
            os._exit(0)
    os.close(theirs)
    said, deadline = b"", time.monotonic() + timeout_s
    while select.select([ours], [], [], max(0.0, deadline - time.monotonic()))[0]:
        piece = os.read(ours, 1 << 16)
        if not piece:
            break
        said += piece
    os.close(ours)
    left = {child}
    while left:
        for process in left:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        # What loses its parent becomes ours, such as the server of a fixture that was killed.
        left = set(children()) - known
    shutil.rmtree(folder, ignore_errors=True)
    return said


def children() -> list[int]:
    """Return the processes that this one is the parent of, where the kernel tells."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return [int(one) for one in file.read().split()]
    except OSError:
        return []


def steady_properties() -> None:
    """Let Hypothesis draw the same examples each time, and not look for smaller ones."""
    try:
        from hypothesis import Phase, settings
    except ImportError:
        return
    phases = (Phase.explicit, Phase.generate)
    settings.register_profile(
        "rehearsal", derandomize=True, database=None, deadline=None, phases=phases
    )
    settings.load_profile("rehearsal")


def main() -> None:
    """Read the order, keep standard output for answers, and hand over to pytest."""
    order = json.loads(sys.stdin.buffer.readline())
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    said = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for fd in (1, 2):
        os.dup2(nowhere, fd)
    if order["adds_cwd"]:
        sys.path.insert(0, "")
    pytest.main(order["arguments"], [Rehearsal(order, said)])


main()
