"""Derive the benchmarks' data from public repositories.

`python benchmarks/prepare.py BENCHMARK --source CHECKOUT --out FOLDER [--part PART]`: BENCHMARK is
repair, routing, consensus or cache; CHECKOUT a clone, or a bare git directory, of the repository
that `docs/benchmarks.md` names; `--source` is repeated where there are two. FOLDER is then what the
benchmark's `--data` names.
"""

import argparse
import csv
import gzip
import io
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, get_args

sys.path.insert(0, str(Path(__file__).parents[1]))

from agora.domain.errors import AgoraError  # noqa: E402  found by the line above
from benchmarks.sources import answers, octopack, outcomes, questions  # noqa: E402
from benchmarks.sources.checkout import Part  # noqa: E402

Row = dict[str, Any]
Files = dict[str, Any]


def repair(folders: Sequence[Path], part: Part) -> Files:
    """Derive the broken programs; their visible tests run as the benchmark runs them."""
    return octopack.derive(folders, part, is_detected)


def is_detected(program: Row) -> bool:
    """Return whether the visible tests of a program fail, in the sandbox."""
    from agora.domain.contracts import Act
    from agora.domain.doors import opened
    from agora.domain.repair.sandbox import choose_sandbox
    from agora.domain.settings import load
    from benchmarks.repair import bench_of

    sandbox = choose_sandbox(load({}).sandbox, trust_workspace=False)
    with ExitStack() as stack, opened(Act(kind="run_tests", subject=program["task_id"])):
        bench = bench_of(stack, sandbox, program)
        return bool(bench.tests(bench.tree).failing)


BENCHMARKS: dict[str, Callable[[Sequence[Path], Part], Files]] = {
    "repair": repair,
    "routing": outcomes.derive,
    "consensus": answers.derive,
    "cache": questions.derive,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files of one benchmark and return the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        files = BENCHMARKS[asked.benchmark](asked.source, asked.part)
    except AgoraError as error:
        print(f"{error}. {error.hint}".rstrip(". "), file=sys.stderr)
        return error.exit_code
    asked.out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (asked.out / name).write_bytes(encode(name, content))
        print(f"{asked.out / name}: {len(content)} rows")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("benchmark", choices=BENCHMARKS)
    parser.add_argument("--source", type=Path, action="append", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--part", choices=get_args(Part), default="dev")
    return parser


def encode(name: str, content: Any) -> bytes:
    """Return a file's bytes, in the format that its name ends in; the same for the same rows."""
    if name.endswith(".jsonl"):
        lines = (json.dumps(row, ensure_ascii=False, sort_keys=True) for row in content)
        return "".join(f"{line}\n" for line in lines).encode()
    if name.endswith(".json"):
        return (json.dumps(content, indent=1) + "\n").encode()
    text = _table(content).encode()
    return gzip.compress(text, mtime=0) if name.endswith(".gz") else text


def _table(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0] if rows else (), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


if __name__ == "__main__":
    sys.exit(main())
