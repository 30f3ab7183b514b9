"""Races: a version of a tool beside the old one, on the same calls: equal first, then faster.

Every timed call has a process of its own, for so the tool is called: what a version remembers of
one call must not speed up its next measurement. Old and new take turns, so that whatever else the
machine does meets both; a sign test and the median ratio decide, never one timing.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import comb, log
from pathlib import Path
from statistics import median
from threading import Event, Thread
from time import monotonic

from agora.domain.contracts import Contract, Json, Replay, Verdict
from agora.domain.repair.hunt import Rehearsal
from agora.domain.repair.inputs import inputs
from agora.domain.repair.sandbox import Running, Sandbox
from agora.domain.repair.trials import copied, environment
from agora.domain.repair.workspace import TestCommand
from agora.domain.tools import Tool

INSIDE = Path(__file__).with_name("race_inside.py")
FASTER = 1.5
"""Times that the median call must be shorter."""
CHANCE = 0.05
"""Of as many shorter calls, were both versions as fast."""
PAIRS, LEAST_PAIRS = 9, 5
SLOWEST = 3  # recorded calls that are raced
EACH_S, NEW_S = 0.1, 1.0  # for a generated call: where the old version is late, nothing is compared
RACE_S = 120.0
SPARE_S = 10.0  # beyond its time, until a sandbox that does not answer is ended
RECORDED, GENERATED = 50, 80  # calls that are compared
SHARE = 0.3  # of the time, for recorded calls of one version, and for generated ones
SLOWER, SLOWER_S = 2.0, 0.05
"""No recorded call may take longer than this many times, and so many seconds more."""
TIMINGS = 3
"""So often in a row a call must have been slower to count as that."""
LEAST_S, NEAR = 0.005, 1.25  # what a first look takes for as fast: so short, or so near
SHORTEST_S = 0.0001
EXHAUSTED = ("!RecursionError", "!MemoryError")
"""Where the old version ends like this, it says nothing of what is right."""
Files = Mapping[str, str]
OLD: Files = {}
ACCEPTED = Verdict(verdict="accept")


@dataclass(frozen=True)
class Entry:
    """What is raced: a tool of a tree, and the recorded good calls of it."""

    tool: Tool
    replays: Sequence[Replay]
    limit_s: float  # for one call

    @property
    def ordered(self) -> list[Replay]:
        """Return the calls that took longest, then the others, the shortest first."""
        calls = sorted(self.replays, key=lambda one: -one.latency_s)
        return [*calls[:SLOWEST], *reversed(calls[SLOWEST:])][:RECORDED]


class Race(Contract):
    """How a version did beside the old one, times in seconds."""

    verdict: Verdict
    replays: int = 0
    generated: int = 0
    pairs: tuple[tuple[float, float], ...] = ()  # old, new
    calls: tuple[Json, ...] = ()  # the raced ones: call, before_s, after_s

    @property
    def ratio(self) -> float:
        """Return how many times as fast the median pair is."""
        return median(old / new for old, new in self.pairs) if self.pairs else 0.0

    @property
    def told(self) -> list[str]:
        """Return what a person should know of it, a sentence each."""
        faster = sum(old > new for old, new in self.pairs)
        said = [
            f"It is {self.ratio:.1f} times as fast: the median of {len(self.pairs)} pairs of runs "
            f"side by side, of which {faster} are faster:"
        ]
        said += [
            f"  {one['call']}: {one['after_s']:.4f} s, before: {one['before_s']:.4f} s"
            for one in self.calls
        ]
        return [
            *said,
            f"Recorded good calls that give the same: {self.replays}, generated ones: "
            f"{self.generated}; exceptions and what becomes of the arguments included.",
        ]


@dataclass(frozen=True)
class Track:
    """A sandbox in which versions of one tool are called."""

    rehearsal: Rehearsal
    deadline: float

    @property
    def left_s(self) -> float:
        """Return the seconds that are left."""
        return max(0.0, self.deadline - monotonic())

    def run(
        self,
        files: Files,
        calls: Sequence[Json],
        limit_s: float,
        *,
        twice: bool = False,
        share: float = 1.0,
    ) -> list[Json | None]:
        """Return what each call gives (mark, shown, result, seconds); None: too late, or it died.

        Raises SandboxFailedError.
        """
        job = {"files": dict(files), "calls": list(calls), "limit_s": limit_s, "twice": twice}
        said = self.rehearsal.ask(job | {"until_s": self.left_s * share})
        heard: list[Json | None] = said.get("heard") or [None] * len(calls)
        return heard


@contextmanager
def track(
    sandbox: Sandbox,
    tree: Path,
    command: TestCommand,
    tool: Tool,
    *,
    timeout_s: float = RACE_S,
    cancel: Event | None = None,
) -> Iterator[Track]:
    """Lend a sandbox with a copy of the tree; it is gone after the block, or when cancelled."""
    order = {"path": tool.path, "module": tool.module, "function": tool.function}
    with (
        copied(tree) as folder,
        sandbox.open(
            folder,
            [str(command.interpreter.python), "-I", "-B", "-c", INSIDE.read_text("utf-8")],
            readable=command.readable,
            env=environment(command),
            cpu_s=timeout_s,
        ) as running,
    ):
        over = Event()
        ends = (running, cancel or Event(), over, monotonic() + timeout_s + SPARE_S)
        watch = Thread(target=_heed, args=ends, daemon=True)
        watch.start()
        try:
            running.stdin.write(json.dumps(order).encode() + b"\n")
            running.stdin.flush()
            yield Track(Rehearsal(running), monotonic() + timeout_s)
        finally:
            over.set()
            watch.join()


def sift(
    sandbox: Sandbox,
    tree: Path,
    command: TestCommand,
    entry: Entry,
    versions: Sequence[Files],
    *,
    timeout_s: float,
    cancel: Event | None = None,
) -> list[int]:
    """Return which versions are equal and faster on the slowest call, the fastest first.

    A first look, by one timing each: of those as fast, the one that was named first comes first.
    """
    with track(sandbox, tree, command, entry.tool, timeout_s=timeout_s, cancel=cancel) as lane:
        call = [entry.ordered[0].arguments]
        (old,) = lane.run(OLD, call, entry.limit_s)
        if old is None:
            return []
        seconds = {}
        for number, files in enumerate(versions):
            (new,) = lane.run(files, call, max(old["seconds"] / FASTER, 0.001))
            if new is not None and new["mark"] == old["mark"]:
                seconds[number] = max(new["seconds"], LEAST_S)
    return sorted(seconds, key=lambda number: (round(log(seconds[number], NEAR)), number))


def race(
    sandbox: Sandbox,
    tree: Path,
    command: TestCommand,
    entry: Entry,
    files: Files,
    *,
    seed: int = 0,
    timeout_s: float = RACE_S,
    cancel: Event | None = None,
) -> Race:
    """Return whether a version gives what the old one gives, and is faster on the slowest calls.

    Raises SandboxFailedError.
    """
    with track(sandbox, tree, command, entry.tool, timeout_s=timeout_s, cancel=cancel) as lane:
        verdict, sound = _replayed(lane, entry, files)
        if verdict.verdict == "refuse":
            return Race(verdict=verdict)
        verdict, generated = _generated(lane, entry, files, seed)
        if verdict.verdict == "refuse":
            return Race(verdict=verdict)
        slow = [one for one in entry.ordered[:SLOWEST] if one in sound] or sound[:1]
        most = max(one.latency_s for one in slow)
        slow = [one for one in slow if one.latency_s >= most / 2]
        found = _timed(lane, entry, files, slow)
    pairs = tuple((old, new) for _, old, new in found)
    return Race(
        verdict=timed(pairs),
        replays=len(sound),
        generated=generated,
        pairs=pairs,
        calls=_by_call(found),
    )


def _replayed(lane: Track, entry: Entry, files: Files) -> tuple[Verdict, list[Replay]]:
    """Return the verdict on recorded calls, and those that the old version still gives so."""
    calls = [one.arguments for one in entry.ordered]
    before = lane.run(OLD, calls, entry.limit_s, share=SHARE)
    both = [
        (one, old)
        for one, old in zip(entry.ordered, before, strict=True)
        if old and old["result"] and json.loads(old["result"]) == one.result
    ]
    if not both:
        return _no("replay", "the old version gives no recorded result any more"), []
    after = lane.run(files, [one.arguments for one, _ in both], entry.limit_s)
    for (one, old), new in zip(both, after, strict=True):
        if new is None or new["mark"] != old["mark"]:
            return _no("replay", _told(entry, one.arguments, old, new)), []
        if _is_slower(lane, entry, files, one, old, new):
            call = _called(entry, one.arguments)
            told = f"{call} takes {new['seconds']:.3f} s, before: {old['seconds']:.3f} s"
            return _no("slower", told), []
    return ACCEPTED, [one for one, _ in both]


def _is_slower(lane: Track, entry: Entry, files: Files, one: Replay, old: Json, new: Json) -> bool:
    """Return whether a recorded call takes longer each time that both versions are timed.

    Once is no evidence: a busy machine may have held up one of them.
    """
    for _ in range(TIMINGS - 1):
        if new["seconds"] <= SLOWER * old["seconds"] + SLOWER_S:
            return False
        again = [lane.run(each, [one.arguments], entry.limit_s)[0] for each in (OLD, files)]
        if again[0] is None or again[1] is None:
            return True
        old, new = again[0], again[1]
    return bool(new["seconds"] > SLOWER * old["seconds"] + SLOWER_S)


def _generated(lane: Track, entry: Entry, files: Files, seed: int) -> tuple[Verdict, int]:
    """Return the verdict on inputs that nobody has seen, and how many of them could be compared."""
    calls = inputs(entry.replays, entry.tool.parameters, seed, GENERATED)
    before = lane.run(OLD, calls, EACH_S, twice=True, share=SHARE)
    both = [
        (call, old)
        for call, old in zip(calls, before, strict=True)
        if old and not old["mark"].startswith(EXHAUSTED)
    ]
    after = lane.run(files, [call for call, _ in both], NEW_S, twice=True)
    for (call, old), new in zip(both, after, strict=True):
        if new is None or new["mark"] != old["mark"]:
            return _no("behaviour", _told(entry, call, old, new)), 0
    return ACCEPTED, len(both)


def _timed(
    lane: Track, entry: Entry, files: Files, slow: Sequence[Replay]
) -> list[tuple[str, float, float]]:
    """Return how long pairs of runs took, old and new in turn, as many as there is time for."""
    found: list[tuple[str, float, float]] = []
    for number in range(PAIRS):
        call = slow[number % len(slow)].arguments
        turns = (OLD, files) if number % 2 else (files, OLD)
        heard = {id(one): lane.run(one, [call], entry.limit_s)[0] for one in turns}
        old, new = heard[id(OLD)], heard[id(files)]
        if old is None or new is None:
            break
        seconds = max(new["seconds"], SHORTEST_S)
        found.append((_called(entry, call), old["seconds"], seconds))
    return found


def _by_call(found: Sequence[tuple[str, float, float]]) -> tuple[Json, ...]:
    names = dict.fromkeys(call for call, _, _ in found)
    return tuple(
        {
            "call": name,
            "before_s": median(old for call, old, _ in found if call == name),
            "after_s": median(new for call, _, new in found if call == name),
        }
        for name in names
    )


def timed(pairs: tuple[tuple[float, float], ...]) -> Verdict:
    """Return the verdict of the clock: enough pairs, a ratio, and no chance of luck."""
    wins, ratio = sum(old > new for old, new in pairs), Race(verdict=ACCEPTED, pairs=pairs).ratio
    if len(pairs) < LEAST_PAIRS:
        return _no("not_faster", f"only {len(pairs)} pairs of runs came to their end in time")
    luck = sum(comb(len(pairs), k) for k in range(wins, len(pairs) + 1)) / 2 ** len(pairs)
    if ratio < FASTER or luck >= CHANCE:
        said = f"{ratio:.2f} times as fast in the median, faster in {wins} of {len(pairs)} pairs"
        return _no("not_faster", said)
    return ACCEPTED


def _told(entry: Entry, call: Json, old: Json, new: Json | None) -> str:
    now = new["shown"] if new else "no result in time"
    rest = (
        " (what is left of the arguments, or is given twice, differs)"
        if now == old["shown"]
        else ""
    )
    return f"{_called(entry, call)} gives {now} now, not {old['shown']}{rest}"


def _called(entry: Entry, call: Json) -> str:
    said = ", ".join(f"{name}={value!r}" for name, value in call.items())
    return f"{entry.tool.function}({said[:80]}{'…' if said[80:] else ''})"


def _no(rule: str, reason: str) -> Verdict:
    return Verdict(verdict="refuse", rule=rule, reason=reason)


def _heed(running: Running, cancel: Event, over: Event, until: float) -> None:
    """End a sandbox that nobody waits for any more."""
    while not over.wait(0.05):
        if cancel.is_set() or monotonic() > until:
            running.kill()
            return
