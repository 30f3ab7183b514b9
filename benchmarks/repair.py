"""How many broken programs the repairer mends from visible tests, and how many of them for good.

`python benchmarks/repair.py --data PATH [--json] [--seed N]`: PATH is a file of JSON lines, or a
folder of them, with `buggy_source`, `visible_tests` and `hidden_tests`. A repair is plausible when
the visible tests pass, correct when the hidden ones do, which only this judge sees. Beside it
stands plain random mutation with as many tries.

`--library [--orders N] [--state FILE]` measures instead how much sooner a fix is found once the
solution library holds others; see `benchmarks/library.py`.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from agora.domain.contracts import Act  # noqa: E402
from agora.domain.doors import opened  # noqa: E402
from agora.domain.repair import gate, patches  # noqa: E402
from agora.domain.repair.diffs import diff_of  # noqa: E402
from agora.domain.repair.edits import singles  # noqa: E402
from agora.domain.repair.hunt import Hunt  # noqa: E402
from agora.domain.repair.sandbox import Sandbox, choose_sandbox  # noqa: E402
from agora.domain.repair.search import Search, search  # noqa: E402
from agora.domain.repair.solutions import Instinct  # noqa: E402
from agora.domain.repair.trials import TestRun, run_tests  # noqa: E402
from agora.domain.repair.workspace import TestCommand, open_workspace, pristine  # noqa: E402
from agora.domain.settings import load  # noqa: E402
from benchmarks import library  # noqa: E402

MODULE = "solution.py"
TESTS = "test_visible.py"
PYTEST = f"{Path(sys.executable).parent}/pytest -q"
EACH_S = 1.0  # for one visible test
STARTS = 50  # of a sandbox, to time them
Row = dict[str, Any]


@dataclass(frozen=True)
class Mended:
    """How one program turned out; the seconds are those of search and gate."""

    task_id: str
    is_detectable: bool
    is_plausible: bool = False
    is_correct: bool = False
    is_tampered: bool = False
    seconds: float = 0.0
    tried: int = 0
    mutated_plausible: bool = False
    mutated_correct: bool = False
    note: str = ""


@dataclass(frozen=True)
class Bench:
    """A program in a git repository of its own, and a copy of it to work on."""

    row: Row
    sandbox: Sandbox
    root: Path
    tree: Path
    command: TestCommand

    def tests(self, tree: Path, each_s: float = EACH_S) -> TestRun:
        """Run the tests of a tree."""
        return run_tests(self.sandbox, tree, self.command, timeout_s=60, each_s=each_s)

    def is_correct(self, diff: str) -> bool:
        """Judge a patch by the hidden tests."""
        with tempfile.TemporaryDirectory(prefix="judge-") as folder:
            source = patches.apply(patches.parse(diff), {MODULE: self.row["buggy_source"]})
            Path(folder, MODULE).write_text(source[MODULE], "utf-8")
            Path(folder, "test_hidden.py").write_text(self.row["hidden_tests"], "utf-8")
            return not self.tests(Path(folder), each_s=10.0).failing

    def is_untouched(self) -> bool:
        """Return whether the person's repository is as it was."""
        arguments = ["git", "status", "--porcelain", "--ignored"]
        said = subprocess.run(arguments, cwd=self.root, capture_output=True, check=True)
        return not said.stdout


def mend(bench: Bench, seed: int) -> Mended:
    """Repair one program as the product does, then judge the patch."""
    detectable = bool(bench.row["visible_detects"])
    started = time.monotonic()
    before = bench.tests(bench.tree)
    if not before.failing:
        note = "tests pass, nothing to repair"
        return Mended(bench.row["task_id"], detectable, note=note)
    found = _search(bench, before, seed)
    diff = next((c.diff for c in found.survivors if _is_accepted(bench, c.diff, before)), "")
    seconds = time.monotonic() - started
    mutated = _mutated(bench, before, seed, found.candidates_tried)
    return Mended(
        bench.row["task_id"],
        detectable,
        is_plausible=bool(diff),
        is_correct=bool(diff) and bench.is_correct(diff),
        is_tampered=_touches_more(diff) or not bench.is_untouched(),
        seconds=seconds,
        tried=found.candidates_tried,
        mutated_plausible=bool(mutated),
        mutated_correct=bool(mutated) and bench.is_correct(mutated),
    )


def looked(bench: Bench, instinct: Instinct, seed: int) -> Row:
    """Search one program with a library; what it teaches counts where the gate accepts it."""
    before = bench.tests(bench.tree)
    if not before.failing:
        return {"until_first": 0, "lesson": {}}
    found = _search(bench, before, seed, instinct)
    is_right = any(_is_accepted(bench, c.diff, before) for c in found.survivors)
    return {"until_first": found.until_first, "lesson": found.lesson if is_right else {}}


def _search(bench: Bench, before: TestRun, seed: int, instinct: Instinct | None = None) -> Search:
    limits = load({}).repair
    return search(
        bench.sandbox,
        bench.tree,
        bench.command,
        before,
        timeout_s=limits.timeout_s,
        candidates=limits.candidates,
        seed=seed,
        instinct=instinct,
    )


def _is_accepted(bench: Bench, diff: str, before: TestRun) -> bool:
    if gate.judge(bench.tree, diff).verdict == "refuse":
        return False
    verdict, _ = gate.prove(bench.sandbox, bench.tree, bench.command, diff, before)
    return verdict.verdict != "refuse"


def _touches_more(diff: str) -> bool:
    return bool(diff) and [patch.path for patch in patches.parse(diff)] != [MODULE]


def _mutated(bench: Bench, before: TestRun, seed: int, tries: int) -> str:
    """Return the first of as many edits, anywhere and in no order, that passes; the baseline."""
    deadline = time.monotonic() + 60
    hunt = Hunt(
        bench.sandbox, bench.tree, bench.command, before, deadline, Event(), lambda *_: None
    )
    with ExitStack() as stack:
        rehearsals = hunt.rehearsals(stack, 2)
        lines = {
            (source.path, line): 1.0
            for source in hunt.sources
            for line in range(1, source.content.count(b"\n") + 2)
        }
        every = singles(hunt.sources, lines, (), ())
        random.Random(seed).shuffle(every)
        hunt.attempt(rehearsals, iter(every[: min(tries, MUTATIONS)]), 1)
    passing = [attempt for attempt in every if attempt in hunt.found]
    return diff_of(bench.tree, passing[0].edits) if passing else ""


MUTATIONS = 200  # tries that plain mutation has, at most


def rows(path: Path) -> Iterator[Row]:
    """Yield the programs of a file, or of the files in a folder."""
    for file in sorted(path.glob("*.jsonl")) if path.is_dir() else [path]:
        yield from map(json.loads, file.read_text("utf-8").splitlines())


def bench_of(stack: ExitStack, sandbox: Sandbox, row: Row) -> Bench:
    """Put a program into a git repository and copy it out again, as the product does."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="repair-")))
    folder.chmod(0o711)
    files = {MODULE: row["buggy_source"], TESTS: row["visible_tests"]}
    root = committed(folder / "workspace", files)
    workspace = open_workspace(root)
    tree = pristine(workspace, workspace.head, folder / "tree")
    return Bench(row, sandbox, root, tree, TestCommand.parse(PYTEST, workspace))


def committed(root: Path, files: dict[str, str]) -> Path:
    """Make a git repository of these files and return it."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    me = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
    for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), (*me, "commit", "-qm", "Start")):
        subprocess.run(["git", *arguments], cwd=root, check=True)
    return root


def summary(mended: list[Mended]) -> dict[str, Any]:
    """Return the figures: programs of those that the visible tests detect, seconds, shares."""
    wanted = [one for one in mended if one.is_detectable]
    seconds = sorted(one.seconds for one in wanted)
    rest = [one for one in mended if not one.is_detectable]
    return {
        "plausible": sum(one.is_plausible for one in wanted),
        "correct": sum(one.is_correct for one in wanted),
        "detectable": len(wanted),
        "plausible_share": _share(one.is_plausible for one in wanted),
        "correct_share": _share(one.is_correct for one in wanted),
        "median_s": round(statistics.median(seconds), 2) if seconds else 0.0,
        "p90_s": round(seconds[int(0.9 * (len(seconds) - 1))], 2) if seconds else 0.0,
        "tampered": sum(one.is_tampered for one in mended),
        "unchanged": sum(not one.is_plausible for one in rest),
        "undetectable": len(rest),
        "mutation_plausible": sum(one.mutated_plausible for one in wanted),
        "mutation_correct": sum(one.mutated_correct for one in wanted),
    }


def _share(claims: Iterator[bool]) -> float:
    found = list(claims)
    return round(sum(found) / len(found), 4) if found else 0.0


def _library(asked: argparse.Namespace, sandbox: Sandbox) -> Row:
    def look(row: Row, instinct: Instinct, seed: int) -> Row:
        with ExitStack() as stack, opened(Act(kind="run_tests", subject=row["task_id"])):
            return looked(bench_of(stack, sandbox, row), instinct, seed)

    programs = [row for row in rows(asked.data) if row["visible_detects"]]
    return library.measure(programs, look, asked.orders, asked.seed, asked.state)


def main() -> None:
    """Mend every program, tell of each, and print the figures on the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--library", action="store_true", help="measure the solution library")
    parser.add_argument("--orders", type=int, default=5, help="random orders of the programs")
    parser.add_argument("--state", type=Path, help="go on from this file, and keep results in it")
    asked = parser.parse_args()
    sandbox = choose_sandbox(load({}).sandbox, trust_workspace=False)
    if asked.library:
        print(json.dumps(_library(asked, sandbox)))
        return
    mended = []
    for row in rows(asked.data):
        with ExitStack() as stack, opened(Act(kind="run_tests", subject=row["task_id"])):
            mended.append(mend(bench_of(stack, sandbox, row), asked.seed))
        one = mended[-1]
        state = one.note or ("correct" if one.is_correct else "plausible" * one.is_plausible)
        print(f"{one.task_id:12} {state or 'not found':30} {one.seconds:6.2f} s", flush=True)
        if asked.json:
            print(json.dumps(asdict(one)))
    print(json.dumps(summary(mended) | {"sandbox_ms": started_ms(sandbox)}))


def started_ms(sandbox: Sandbox) -> float:
    """Return the median time of a command that does nothing, in a sandbox of its own."""
    took = []
    with opened(Act(kind="run_tests", subject="/bin/true")), tempfile.TemporaryDirectory() as place:
        for _ in range(STARTS):
            begun = time.perf_counter()
            sandbox.run(Path(place), ["/bin/true"], timeout_s=10)
            took.append(1000 * (time.perf_counter() - begun))
    return round(statistics.median(took), 1)


if __name__ == "__main__":
    main()
