"""How well the auction routes tasks, on recorded outcomes of several models.

    python benchmarks/routing.py --data FOLDER             all parts, four to five minutes
    python benchmarks/routing.py --data FOLDER --parts offline,online
    python benchmarks/routing.py --learn FOLDER --data FOLDER --value 10 --choices OUT.csv

A folder holds one *.csv.gz and models.csv. The last line with --json is one object.
"""

import argparse
import csv
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import routing_offline as offline  # noqa: E402  found by the line above
from benchmarks.routing_measures import PARTS, measured  # noqa: E402
from benchmarks.routing_offline import Choice  # noqa: E402
from benchmarks.routing_replay import (  # noqa: E402
    Market,
    Replay,
    Row,
    UnreadableError,
    bidders_of,
    calibrated,
    read_models,
    read_rows,
    suites_of,
)

FIELDS = ("accuracy", "cost_musd", "gain", "apgr", "cpt50", "cpt80")


def main() -> None:
    """Run what the arguments ask for, print a table and, with --json, one object."""
    try:
        _run(_arguments())
    except UnreadableError as error:
        sys.exit(f"routing: {error}")


def _run(ask: argparse.Namespace) -> None:
    begin = time.monotonic()
    models, rows = read_models(ask.data), read_rows(ask.data)
    learned = read_rows(ask.learn) if ask.learn else None
    if learned is not None and not any(row.right for row in learned):
        raise UnreadableError(f"{ask.learn} hides outcomes: --learn needs graded rows")
    if learned is None and not all(row.right for row in rows):
        raise UnreadableError(f"{ask.data} hides outcomes: name graded rows with --learn")
    figures = routed(models, learned, rows, ask)
    if not ask.choices and not ask.learn:
        figures |= measured(models, rows, ask)
    figures["seconds"] = round(time.monotonic() - begin, 1)
    print(f"{figures['seconds']} s")
    if ask.json:
        print(json.dumps({key: _finite(value) for key, value in figures.items()}))


def _finite(value: Any) -> Any:
    """Return None for what was never reached: JSON knows no infinity."""
    return None if value == float("inf") else value


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="the tasks to route")
    parser.add_argument("--learn", type=Path, help="graded tasks to learn from; else five folds")
    parser.add_argument("--value", type=float, default=10.0, help="m$ of a right answer")
    parser.add_argument("--choices", type=Path, help="write what the auction chose")
    parser.add_argument("--parts", default=",".join(PARTS), help="of " + ", ".join(PARTS))
    parser.add_argument("--picture", type=Path, help="write the quality-cost curve as SVG")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=16, help="streams of the online parts")
    parser.add_argument("--json", action="store_true")
    ask = parser.parse_args()
    unknown = set(ask.parts.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"--parts has no {', '.join(sorted(unknown))}, but {', '.join(PARTS)}")
    if ask.value <= 0 or ask.seeds < 1:
        parser.error("--value must be above 0, and --seeds 1 or more")
    return ask


# Route: learn from one folder, choose for another, which may hide its outcomes.


def routed(
    models: Sequence[Replay], learned: Sequence[Row] | None, rows: Sequence[Row], ask: Any
) -> dict[str, Any]:
    """Choose for every row; return the figures that its visible outcomes allow."""
    choices = [
        one for suite in suites_of(rows) for one in _route(models, learned, rows, suite, ask)
    ]
    if ask.choices:
        _write(ask.choices, choices)
    return _scored(choices, ask.value)


def _route(
    models: Sequence[Replay],
    learned: Sequence[Row] | None,
    rows: Sequence[Row],
    suite: str,
    ask: Any,
) -> Iterator[Choice]:
    market = Market(bidders_of(models, suite), ask.value)
    tasks = [row for row in rows if row.suite == suite]
    if learned is None:
        for first, second in offline.folds(tasks, ask.seed):
            yield from offline.choose(market, calibrated(first, market.models), second, first)
        return
    known = _graded_for(market, learned, suite)
    yield from offline.choose(market, calibrated(known, market.models), tasks, known)


def _graded_for(market: Market, learned: Sequence[Row], suite: str) -> list[Row]:
    """Return the graded rows of a suite; where there are none, all that its models have done."""
    graded = [row for row in learned if any(one.name in row.right for one in market.models)]
    return [row for row in graded if row.suite == suite] or graded


def _write(path: Path, choices: Sequence[Choice]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("suite", "item_id", "model", "score"))
        for one in choices:
            name = one.model.name if one.model else ""
            table.writerow((one.row.suite, one.row.item_id, name, f"{one.score:.6f}"))


def _scored(choices: Sequence[Choice], value: float) -> dict[str, Any]:
    """Return figures by suite; at the top those of the largest market and the largest pair."""
    suites: dict[str, dict[str, Any]] = {}
    for suite in suites_of([one.row for one in choices]):
        suites[suite] = _suite_scored([one for one in choices if one.row.suite == suite], value)
    by_size = sorted(suites.values(), key=lambda one: (one["is_pair"], -one["tasks"]))
    top: dict[str, Any] = {}
    for name in FIELDS:
        top[name] = next((one[name] for one in by_size if one[name] is not None), None)
        print(f"{name:10} {top[name]}")
    return top | {"suites": suites}


def _suite_scored(choices: Sequence[Choice], value: float) -> dict[str, Any]:
    is_pair = choices[0].ends.is_pair
    found = {"tasks": len(choices), "is_pair": is_pair} | dict.fromkeys(FIELDS)
    if all(one.is_judged for one in choices):
        found |= offline.earned(choices, value)
    if is_pair and all(one.is_judged_by_both for one in choices):
        found |= offline.recovered(choices)
    return found


if __name__ == "__main__":
    main()
