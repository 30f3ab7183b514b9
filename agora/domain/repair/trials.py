"""Running a workspace's tests in a sandbox, and counting what came of them outside of them."""

import json
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Literal

from agora.domain.contracts import Contract, Json
from agora.domain.errors import OverdueTestsError, SandboxFailedError, WorkspaceError
from agora.domain.repair.sandbox import Sandbox
from agora.domain.repair.workspace import TestCommand

INSIDE = Path(__file__).with_name("trial_inside.py")
USAGE = 4  # pytest's exit status when it does not understand its arguments
LATE = "ran past its deadline"  # what is said inside of a test that did
OVER = 3.0  # seconds a supervisor has for its own work beside the tests


class NoTestsError(WorkspaceError):
    """The test command collects nothing: there is no word of right and wrong."""


class Failure(Contract):
    """Why a test failed: the exception, and the innermost place inside of the tree."""

    exception: str
    message: str = ""
    path: str = ""
    line: int = 0
    values: dict[str, str] = {}  # locals at that line, as short text
    call: str = ""  # source of the call whose result an assert refused
    frames: tuple[tuple[str, int], ...] = ()  # path and line, the innermost last


class TestRun(Contract):
    """What every test of a tree did; ids as pytest gives them, times in seconds."""

    __test__ = False  # pytest collects classes by name, and this one is no test

    outcomes: dict[str, Literal["passed", "failed", "skipped"]]
    failures: dict[str, Failure] = {}
    durations: dict[str, float] = {}
    seconds: float = 0.0
    memory_mb: float = 0.0  # what the tests held at most
    tampered: tuple[str, ...] = ()  # functions of pytest that the tree has replaced
    unrun: tuple[str, ...] = ()  # tests that have not begun in time

    def ids(self, outcome: str) -> tuple[str, ...]:
        """Return the tests that passed, failed or were skipped."""
        return tuple(name for name, what in self.outcomes.items() if what == outcome)

    @property
    def failing(self) -> tuple[str, ...]:
        """Return the tests that failed, or gave no result."""
        return self.ids("failed")

    @property
    def passing(self) -> tuple[str, ...]:
        """Return the tests that passed."""
        return self.ids("passed")

    def counts(self, name: str) -> bool:
        """Return whether a later run must pass this test: all but those left out of this one."""
        return name in self.outcomes or name.partition("::")[0] in self.failing

    def upholds(self, before: "TestRun") -> bool:
        """Return whether what counted before passes now: nothing fails, is gone, or is skipped."""
        lost = [name for name in before.outcomes if "::" in name and name not in self.outcomes]
        skipped = set(self.ids("skipped")) - set(before.ids("skipped"))
        failing = [name for name in self.failing if before.counts(name)]
        foreign = set(self.tampered) - set(before.tampered)
        return bool(self.passing) and not (lost or skipped or failing or foreign)


def run_tests(
    sandbox: Sandbox,
    tree: Path,
    command: TestCommand,
    *,
    timeout_s: float,
    each_s: float = 5.0,
    within_s: float | None = None,
    cancel: Event | None = None,
) -> TestRun:
    """Run all tests of a copy of `tree`, each with at most `each_s` seconds.

    What has not begun `within_s`, where that is given, is left out.

    Raises NoTestsError where there are none, and SandboxFailedError where the runner itself did
    not work or `timeout_s` went by: that is no verdict.
    """
    nonce = secrets.token_hex(16)
    order = {
        "arguments": arguments(command),
        "adds_cwd": command.is_module,
        "each_s": min(each_s, timeout_s),
        "collect_s": timeout_s,
        "within_s": within_s or timeout_s + OVER,
    }
    with copied(tree) as folder:
        ran = sandbox.run(
            folder,
            [str(command.interpreter.python), "-c", INSIDE.read_text("utf-8")],
            timeout_s=timeout_s + OVER,
            readable=command.readable,
            env=environment(command),
            stdin=f"{json.dumps(order)}\n{nonce}\n".encode(),
            at=command.root,
            cancel=cancel,
        )
    if ran.is_timed_out:
        raise OverdueTestsError(f"the tests took longer than {timeout_s:g} s: no verdict")
    return _understood(_signed(ran.text, nonce), ran.seconds)


def arguments(command: TestCommand) -> list[str]:
    """Return pytest's arguments: all tests, and nothing written beside them."""
    ours = ("-p", "no:cacheprovider", "--maxfail=0", "--continue-on-collection-errors")
    idle = [word for plugin in command.idle for word in ("-p", f"no:{plugin}")]
    return [*command.arguments, *ours, "--color=no", *idle]


def environment(command: TestCommand) -> Mapping[str, str]:
    """Return what the tests see of the environment: the command's own words, and the path."""
    places = f"{command.interpreter.python.parent}:/usr/local/bin:/usr/bin:/bin"
    return {"PATH": places, **command.env}


@contextmanager
def copied(tree: Path) -> Iterator[Path]:
    """Lend a copy of the tree that its tests may write to."""
    with tempfile.TemporaryDirectory(prefix="agora-trial-") as folder:
        Path(folder).chmod(0o711)
        copy = Path(folder, "tree")
        shutil.copytree(tree, copy, symlinks=True, ignore=shutil.ignore_patterns(".git"))
        yield copy


def _signed(text: str, nonce: str) -> Json:
    for line in reversed(text.splitlines()):
        if line.startswith(f"{nonce} "):
            try:
                report: Json = json.loads(line.removeprefix(nonce))
            except ValueError:
                raise SandboxFailedError("the report of the tests is too long") from None
            return report
    last = text.strip().splitlines()[-1:] or ["it printed nothing"]
    raise SandboxFailedError(f"the test runner gave no report: {last[0]}")


def _understood(report: Json, seconds: float) -> TestRun:
    results = {result["id"]: result for result in report["results"]}
    status = report.get("status", 1)
    if not results and status in (0, 5):
        raise NoTestsError("the test command collects no tests", "name the folder that holds them")
    if status == USAGE or not results:
        if "status" not in report:
            raise SandboxFailedError(
                "no test was collected before the process ended or its time was over",
                "look for code that runs, hangs or exits when a module is imported",
            )
        said = [line for line in report["output"].strip().splitlines() if line.strip()]
        raise SandboxFailedError(f"pytest did not run: {(said or ['no reason given'])[-1]}")
    failed = {name: result["failure"] for name, result in results.items() if result["failure"]}
    return TestRun(
        outcomes={name: result["outcome"] for name, result in results.items()},
        failures={name: Failure.model_validate(failure) for name, failure in failed.items()},
        durations={name: result["seconds"] for name, result in results.items()},
        seconds=seconds,
        memory_mb=report["memory_kb"] / 1024,
        tampered=tuple(report.get("tampered", ())),
        unrun=tuple(report["unrun"]),
    )
