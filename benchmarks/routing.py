"""How well the auction routes tasks, on recorded outcomes of several models.

    python benchmarks/routing.py --data FOLDER             all parts, about two minutes
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
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import routing_offline as offline  # noqa: E402  found by the line above
from benchmarks.routing_measures import PARTS, measured  # noqa: E402
from benchmarks.routing_offline import Choice  # noqa: E402
from benchmarks.routing_replay import (  # noqa: E402
    Market,
    Replay,
    Row,
    bidders_of,
    calibrated,
    read_models,
    read_rows,
    suites_of,
)


def main() -> None:
    """Run what the arguments ask for, print a table and, with --json, one object."""
    ask = _arguments()
    begin = time.monotonic()
    models, rows = read_models(ask.data), read_rows(ask.data)
    figures = routed(models, read_rows(ask.learn) if ask.learn else None, rows, ask)
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
    parser.add_argument("--seeds", type=int, default=4, help="streams of the online parts")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


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
    if not all(one.row.right for one in choices):
        return dict.fromkeys(("accuracy", "cost_musd", "gain", "apgr", "cpt50", "cpt80"))
    return _scored(models, learned or rows, choices, ask.value)


def _route(
    models: Sequence[Replay],
    learned: Sequence[Row] | None,
    rows: Sequence[Row],
    suite: str,
    ask: Any,
) -> Iterator[Choice]:
    market = Market(bidders_of(models, suite), ask.value)
    tasks = [row for row in rows if row.suite == suite]
    known = [row for row in learned or () if row.suite == suite]
    for first, second in [(known, tasks)] if learned else offline.folds(tasks, ask.seed):
        state = calibrated(first, market.models)
        low, high = offline.ends(market, state, first)
        yield from offline.choose(market, state, second, low, high)


def _write(path: Path, choices: Sequence[Choice]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("suite", "item_id", "model", "score"))
        for one in choices:
            name = one.model.name if one.model else ""
            table.writerow((one.row.suite, one.row.item_id, name, f"{one.score:.6f}"))


def _scored(
    models: Sequence[Replay], learned: Sequence[Row], choices: Sequence[Choice], value: float
) -> dict[str, Any]:
    """Return figures by suite; at the top those of the largest market and the largest pair."""
    suites: dict[str, dict[str, Any]] = {}
    for suite in sorted(suites_of([one.row for one in choices])):
        of = [one for one in choices if one.row.suite == suite]
        known = [row for row in learned if row.suite == suite]
        suites[suite] = _suite_scored(Market(bidders_of(models, suite), value), known, of)
    largest = sorted(suites.values(), key=lambda one: -one["tasks"])
    top: dict[str, Any] = {}
    for name in ("accuracy", "cost_musd", "gain", "apgr", "cpt50", "cpt80"):
        top[name] = next((one[name] for one in largest if one.get(name) is not None), None)
        print(f"{name:10} {top[name]}")
    return top | {"suites": suites}


def _suite_scored(
    market: Market, learned: Sequence[Row], choices: Sequence[Choice]
) -> dict[str, Any]:
    asked = [(one.row, one.model) for one in choices if one.model]
    spent = sum(model.cost_musd(row, row.tokens[model.name]) for row, model in asked)
    price, best = 1 / market.value_musd, market.best_fixed(learned)
    found: dict[str, Any] = {
        "tasks": len(choices),
        "accuracy": sum(row.right[model.name] for row, model in asked) / len(choices),
        "cost_musd": spent / len(choices),
        "gain": mean(
            one.row.utility(one.model, price) - one.row.utility(best, price) for one in choices
        ),
    }
    if len(market.models) != 2:
        return found
    low, high = offline.ends(market, calibrated(learned, market.models), learned)
    return {"tasks": len(choices)} | offline.recovered(choices, low, high)


if __name__ == "__main__":
    main()
