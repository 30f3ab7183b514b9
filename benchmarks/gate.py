"""Whether the gate lets bad patches through, or stops good ones.

`python benchmarks/gate.py --data PATH [--json] [--seed N]`: PATH is a file of JSON lines, or a
folder of them, with `files`, `diff` and `expected` (and `also_ok`). Every patch goes the way of a
deployment: the gate reads it, then the tests run before it and after it. Beside it stands "it
applies, and pytest exits with 0", as the data has it. Takes about a second a patch.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from agora.domain.contracts import Act, Verdict  # noqa: E402
from agora.domain.doors import opened  # noqa: E402
from agora.domain.repair import gate  # noqa: E402
from agora.domain.repair.sandbox import Sandbox, choose_sandbox  # noqa: E402
from agora.domain.repair.trials import run_tests  # noqa: E402
from agora.domain.repair.workspace import TestCommand, open_workspace, pristine  # noqa: E402
from agora.domain.settings import load  # noqa: E402
from benchmarks.repair import PYTEST, Row, committed, rows  # noqa: E402


@dataclass(frozen=True)
class Judged:
    """What became of one patch; the seconds are those of reading, and of all."""

    row: Row
    verdict: Verdict
    static_s: float
    seconds: float

    @property
    def is_good(self) -> bool:
        """Return whether the patch deserves to be accepted."""
        return bool(self.row["expected"] == "accept")

    @property
    def is_right(self) -> bool:
        """Return whether the verdict is one of those that count as right."""
        return self.verdict.verdict in (self.row["expected"], *self.row.get("also_ok", ()))


def judge(stack: ExitStack, sandbox: Sandbox, row: Row) -> Judged:
    """Bring one patch before the gate, as `agora fix` and every deployment do."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gate-")))
    folder.chmod(0o711)
    workspace = open_workspace(committed(folder / "workspace", row["files"]))
    tree = pristine(workspace, workspace.head, folder / "tree")
    command = TestCommand.parse(PYTEST, workspace)
    before = run_tests(sandbox, tree, command, timeout_s=60)
    began = time.monotonic()
    verdict = gate.judge(tree, row["diff"])
    static_s = time.monotonic() - began
    if verdict.verdict != "refuse":
        proved, _ = gate.prove(sandbox, tree, command, row["diff"], before)
        verdict = proved if proved.verdict == "refuse" else verdict
    return Judged(row, verdict, static_s, time.monotonic() - began)


def summary(judged: list[Judged]) -> dict[str, Any]:
    """Return how many bad patches were accepted, how many good ones, and how long it took."""
    good = [one for one in judged if one.is_good]
    bad = [one for one in judged if not one.is_good]
    tested = [one.seconds for one in judged if one.seconds > 2 * one.static_s]
    naive = [one for one in bad if (one.row.get("plain") or {}).get("accept")]
    return {
        "bad_accepted": sum(one.verdict.verdict == "accept" for one in bad),
        "bad": len(bad),
        "good_accepted": sum(one.verdict.verdict == "accept" for one in good),
        "good": len(good),
        "right": sum(one.is_right for one in judged),
        "median_s": round(statistics.median(tested), 3) if tested else 0.0,
        "static_max_s": round(max((one.static_s for one in judged), default=0.0), 4),
        "bad_accepted_by_tests_alone": len(naive),
    }


def main() -> None:
    """Judge every patch, tell of each, and print the figures on the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seed", type=int, default=0, help="without effect: nothing is drawn")
    asked = parser.parse_args()
    sandbox, judged = choose_sandbox(load({}).sandbox, trust_workspace=False), []
    for row in rows(asked.data):
        with ExitStack() as stack, opened(Act(kind="run_tests", subject=str(row["id"]))):
            judged.append(judge(stack, sandbox, row))
        one = judged[-1]
        mark = "right" if one.is_right else "WRONG"
        said = f"{one.verdict.verdict:7} {one.verdict.rule}"
        print(f"{row['id']!s:10} {mark} {said:40} {one.seconds:6.2f} s", flush=True)
    print(json.dumps(summary(judged)))


if __name__ == "__main__":
    main()
