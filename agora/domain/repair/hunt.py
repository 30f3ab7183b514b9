"""One search while it goes on: sandboxes that take candidates from one queue."""

import ast
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from threading import Event

from agora.domain.contracts import Json
from agora.domain.errors import ChildKilledError, SandboxFailedError
from agora.domain.repair.diffs import contents, diff_of
from agora.domain.repair.edits import Attempt, pairs, singles
from agora.domain.repair.examples import expected_answers, known_constants
from agora.domain.repair.imagine import imagined
from agora.domain.repair.locate import Call, Observation, suspicion, types_of
from agora.domain.repair.proposals import Proposal, gist, is_proposal, proposed
from agora.domain.repair.rank import Behaviour, Ranked, ranked
from agora.domain.repair.sandbox import Running, Sandbox
from agora.domain.repair.solutions import Instinct
from agora.domain.repair.source import Source
from agora.domain.repair.territory import is_test
from agora.domain.repair.trials import (
    NoTestsError,
    TestRun,
    arguments,
    copied,
    environment,
    run_tests,
)
from agora.domain.repair.workspace import TestCommand

INSIDE = Path(__file__).with_name("rehearsal_inside.py")
MANY = 20  # files that are searched for wrong constants, though no failing test executes them
BATCH = 48
AT_ONCE = 16  # candidates in one process, where tests share no parameters
FACTOR = 20  # of the slowest observed test: what a candidate may take
SHORTEST_S = 0.05
PATIENCE = 10  # times the deadline for what ran late, when nothing else was found
MARGIN = 2.0  # how much costlier than the cheapest survivor another may be
BESIDE = 40  # passing tests that are observed for the spectrum
BESIDE_S = 2.0  # for tests of other files than the failing ones', in each candidate
COMPARED = 60  # survivors that are compared on generated inputs
PROBED_S = 0.3  # of the processor, for all of these


@dataclass
class Rehearsal:
    """A sandbox in which the tests are collected and candidates are tried."""

    running: Running

    def ask(self, batch: Json) -> Json:
        """Send one line and return the answer to it.

        Raises SandboxFailedError where none comes, and ChildKilledError.
        """
        try:
            self.running.stdin.write(json.dumps(batch).encode() + b"\n")
            self.running.stdin.flush()
        except (BrokenPipeError, ValueError):
            self.running.require_alive()
            raise SandboxFailedError("the search lost its sandbox") from None
        return self.answer()

    def answer(self) -> Json:
        """Return the next answer."""
        line = self.running.stdout.readline()
        try:
            answer: Json = json.loads(line)
        except ValueError:
            self.running.require_alive()
            said = line.decode("utf-8", "replace").strip()
            raise SandboxFailedError(
                f"the search lost its sandbox: {said or 'no answer'}"
            ) from None
        return answer


@dataclass
class Hunt:
    """One search while it goes on."""

    sandbox: Sandbox
    tree: Path
    command: TestCommand
    before: TestRun
    deadline: float
    cancel: Event
    progress: Callable[[int, int], None]
    instinct: Instinct = Instinct()
    proposals: Sequence[Proposal] = ()  # of experts; they enter the pool of the edits
    rejected: Sequence[str] = ()  # diffs that a person has said no to
    tried: int = 0
    until_first: int = 0  # candidates up to the first that passed, in their order
    ones: list[Attempt] = field(default_factory=list)  # single edits, by their cost
    calls: list[Call] = field(default_factory=list)  # on which survivors were compared
    answers: dict[int, Behaviour] = field(default_factory=dict)  # of survivors, by their id
    old_answers: Behaviour = ()
    sources: tuple[Source, ...] = ()
    observed: Sequence[Observation] = ()
    found: list[Attempt] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_cold(self) -> bool:
        """Return whether a file cannot even be collected: then nothing can be rehearsed."""
        return any("::" not in name for name in self.before.failing)

    def cold(self, candidates: int) -> Ranked:
        """Try the likeliest edits of the lines that raised, each with tests of its own."""
        failures = [self.before.failures[name] for name in self.before.failing]
        lines = [frame for failure in failures for frame in failure.frames]
        self.sources = tuple(self._sources(dict.fromkeys(path for path, _ in lines)))
        scores = dict.fromkeys(lines, 1.0)
        found = singles(self.sources, scores, failures, ())
        for attempt in [*proposed(self.tree, self.proposals), *found][:candidates]:
            if self._is_over:
                break
            self.tried += 1
            if self._is_fresh(attempt) and self._passes(attempt):
                self.until_first = self.tried
                return [(attempt, ("the only one that was looked for",))]
            self.progress(self.tried, 0)
        return []

    def warm(self, workers: int, candidates: int, seed: int) -> Ranked:
        """Try edits by the thousand, and return the survivors, the first one confirmed."""
        with ExitStack() as stack:
            rehearsals = self.rehearsals(stack, workers)
            found = self.survivors(rehearsals, candidates, seed)
            known = known_constants(self.tree, self.before)
            chosen = ranked(found, self.behaviours(rehearsals[0], found, seed), known)
        while chosen and not self._is_over and not self._passes(chosen[0][0]):
            chosen = chosen[1:]
        return chosen

    def _passes(self, attempt: Attempt) -> bool:
        """Return whether all tests pass in a fresh copy with these edits."""
        with copied(self.tree) as folder:
            for path, content in contents(self.tree, attempt.edits).items():
                (folder / path).write_bytes(content)
            try:
                after = run_tests(
                    self.sandbox,
                    folder,
                    self.command,
                    timeout_s=max(1.0, self.deadline - time.monotonic()),
                    each_s=self._each_s + 1,
                    cancel=self.cancel,
                )
            except (SandboxFailedError, NoTestsError):
                return False
        return after.upholds(self.before)

    def rehearsals(self, stack: ExitStack, workers: int) -> list[Rehearsal]:
        """Start the sandboxes and understand what the first of them observed."""
        started = [self._start(stack, is_first=number == 0) for number in range(workers)]
        first, *_ = [rehearsal.answer() for rehearsal in started]
        self.observed = [
            Observation.model_validate(test | {"passed": test["id"] in self.before.passing})
            for test in first["observed"]
        ]
        self.sources = tuple(self._sources(first["files"]))
        return started

    def _start(self, stack: ExitStack, *, is_first: bool) -> Rehearsal:
        folder = stack.enter_context(copied(self.tree))
        running = stack.enter_context(
            self.sandbox.open(
                folder,
                [str(self.command.interpreter.python), "-c", INSIDE.read_text("utf-8")],
                readable=self.command.readable,
                env=environment(self.command),
                at=self.command.root,
                cpu_s=self.deadline - time.monotonic(),
            )
        )
        observe = [*self.before.failing, *self.beside[:BESIDE]] if is_first else []
        order = {
            "arguments": [*arguments(self.command), "-s"],
            "adds_cwd": self.command.is_module,
            "each_s": self._each_s,
            "observe": observe,
        }
        running.stdin.write(json.dumps(order).encode() + b"\n")
        running.stdin.flush()
        return Rehearsal(running)

    @cached_property
    def beside(self) -> tuple[str, ...]:
        """Return the passing tests that each candidate meets: those of the failing ones' files.

        And of the quickest other files; who passes these meets all tests in the end.
        """
        seconds: dict[str, float] = {}
        for name in self.before.passing:
            file = name.partition("::")[0]
            seconds[file] = seconds.get(file, 0.0) + self.before.durations.get(name, 0.0)
        near, left = {name.partition("::")[0] for name in self.before.failing}, BESIDE_S
        for file in sorted(seconds.keys() - near, key=lambda file: (seconds[file], file)):
            left -= seconds[file]
            if left < 0:
                break
            near.add(file)
        return tuple(name for name in self.before.passing if name.partition("::")[0] in near)

    @property
    def _each_s(self) -> float:
        slowest = max((self.before.durations[name] for name in self.before.passing), default=0.0)
        return min(max(0.5, FACTOR * slowest), 5.0)

    @property
    def patience_s(self) -> float:
        """Return what one candidate may take of the processor, for all tests together."""
        ended = [test.seconds for test in self.observed if not test.late]
        return SHORTEST_S + 4 * sum(ended)

    def _sources(self, files: Iterable[str]) -> Iterator[Source]:
        """Yield the files that failing tests execute, tests apart."""
        for path in files:
            if is_test(path):
                continue
            content = (self.tree / path).read_bytes()
            source = Source(path, content, types_of(self.observed, path), _functions(content))
            if _is_readable(source):
                yield source

    def survivors(
        self, rehearsals: Sequence[Rehearsal], candidates: int, seed: int
    ) -> list[Attempt]:
        """Return the attempts that pass all tests, from the cheapest kind that has any."""
        failures = tuple(self.before.failures.values())
        scores = suspicion(self.observed, failures, [source.path for source in self.sources])
        if len(self.sources) > MANY:  # of a large tree only what failing tests execute
            executed = {path for path, _ in scores}
            self.sources = tuple(one for one in self.sources if one.path in executed)
        wanted = expected_answers(self.tree, failures)
        ones = self.ones = singles(self.sources, scores, failures, wanted)
        first = [*proposed(self.tree, self.proposals), *self.instinct.ordered(ones, seed)]
        before = 0
        for attempts in (first, list(pairs(ones))):
            late = self.attempt(rehearsals, islice(attempts, max(0, candidates - self.tried)), 1)
            if not self.found:
                self.attempt(rehearsals, iter(late), PATIENCE)
            if self.found or self._is_over:
                break
            before += len(attempts)
        passed = set(map(id, self.found))
        places = (place for place, one in enumerate(attempts, before + 1) if id(one) in passed)
        self.until_first = next(places, 0)
        cheapest = min((attempt.cost for attempt in self.found), default=0.0)
        near = [one for one in self.found if one.cost <= cheapest + MARGIN or is_proposal(one)]
        return sorted(filter(self._is_fresh, near), key=lambda attempt: attempt.cost)

    def _is_fresh(self, attempt: Attempt) -> bool:
        """Return whether no person has said no to the same lines before."""
        if not self.rejected:
            return True
        return gist(diff_of(self.tree, attempt.edits)) not in set(map(gist, self.rejected))

    def behaviours(
        self, rehearsal: Rehearsal, attempts: Sequence[Attempt], seed: int
    ) -> list[tuple[str, ...]]:
        """Return what each attempt answers to generated calls like those of the tests."""
        calls = imagined([call for test in self.observed for call in test.calls], seed)
        if not attempts or not calls or self._is_over:
            return []
        compared = attempts[:COMPARED]
        order = {
            "calls": [call.as_json() for call in calls],
            "candidates": [*(attempt.parts for attempt in compared), {}],
            "deadline_s": self.patience_s + PROBED_S,
        }
        *found, self.old_answers = map(tuple, rehearsal.ask(order)["behaviours"])
        self.calls = calls
        self.answers = {id(one): answers for one, answers in zip(compared, found, strict=True)}
        return found

    @property
    def _is_over(self) -> bool:
        return self.cancel.is_set() or time.monotonic() >= self.deadline

    def attempt(
        self, rehearsals: Sequence[Rehearsal], attempts: Iterator[Attempt], patience: int
    ) -> list[Attempt]:
        """Let every sandbox take from one queue; return what ran out of its time."""
        late: list[Attempt] = []
        failed: list[SandboxFailedError] = []
        killed: list[ChildKilledError] = []

        def work(rehearsal: Rehearsal) -> None:
            try:
                while batch := self._next(attempts):
                    self._judge(rehearsal, batch, patience, late)
            except SandboxFailedError as error:
                failed.append(error)
            except ChildKilledError as error:
                killed.append(error)

        threads = [threading.Thread(target=work, args=(one,), daemon=True) for one in rehearsals]
        for thread in threads:
            thread.start()
        self._await(threads, rehearsals)
        if (killed or len(failed) == len(rehearsals)) and not self._is_over:
            raise [*killed, *failed][0]
        return sorted(late, key=lambda attempt: attempt.cost)

    def _await(self, threads: Sequence[threading.Thread], rehearsals: Sequence[Rehearsal]) -> None:
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(0.02)
            self.progress(self.tried, len(self.found))
            if self._is_over:
                for rehearsal in rehearsals:
                    rehearsal.running.kill()

    def _next(self, attempts: Iterator[Attempt]) -> list[Attempt]:
        with self.lock:
            cheapest = min((attempt.cost for attempt in self.found), default=float("inf"))
            near = (one for one in attempts if one.cost <= cheapest + MARGIN or is_proposal(one))
            return [] if self._is_over else list(islice(near, BATCH))

    def _judge(
        self,
        rehearsal: Rehearsal,
        batch: Sequence[Attempt],
        patience: int,
        late: list[Attempt],
    ) -> None:
        order = {
            "tests": [*self.before.failing, *self.beside],
            "candidates": [attempt.parts for attempt in batch],
            "deadline_s": self.patience_s * patience,
            "at_once": AT_ONCE,
        }
        marks = rehearsal.ask(order)["verdicts"]
        with self.lock:
            self.tried += len(batch)
            for attempt, mark in zip(batch, marks, strict=True):
                if mark == "+":
                    self.found.append(attempt)
                elif mark == "!" and patience == 1:
                    late.append(attempt)


def _functions(content: bytes) -> tuple[str, ...]:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return ()
    return tuple(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def _is_readable(source: Source) -> bool:
    try:
        source.content.decode()
        return bool(source.tree.body)
    except (SyntaxError, ValueError):
        return False
