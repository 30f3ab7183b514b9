"""How well the auction routes tasks, on recorded outcomes of several models.

    python benchmarks/routing.py --data FOLDER             all parts, about five minutes
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
from statistics import mean, median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import routing_offline as offline  # noqa: E402  found by the line above
from benchmarks import routing_online as online  # noqa: E402
from benchmarks import routing_picture, routing_rivals  # noqa: E402
from benchmarks.routing_offline import Choice  # noqa: E402
from benchmarks.routing_replay import (  # noqa: E402
    Market,
    Replay,
    Row,
    calibrated,
    read_models,
    read_rows,
)

PARTS = ("offline", "online", "drift", "bursts", "liar", "speed")
Line = tuple[str, float, float, bool]  # measure, figure, reach, whether more is better
Found = tuple[list[Line], dict[str, Any]]


def main() -> None:
    """Run what the arguments ask for, print a table and, with --json, one object."""
    ask = _arguments()
    begin = time.monotonic()
    models, rows = read_models(ask.data), read_rows(ask.data)
    if ask.choices or ask.learn:
        figures = routed(models, read_rows(ask.learn) if ask.learn else None, rows, ask)
    else:
        figures = measured(models, rows, ask)
    figures["seconds"] = round(time.monotonic() - begin, 1)
    print(f"{figures['seconds']} s")
    if ask.json:
        print(json.dumps(figures))


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
    choices = [one for suite in _suites(rows) for one in _route(models, learned, rows, suite, ask)]
    if ask.choices:
        _write(ask.choices, choices)
    if not all(one.row.right for one in choices):
        return dict.fromkeys(("accuracy", "cost_musd", "gain", "apgr", "cpt50", "cpt80"))
    return _scored(models, learned or rows, choices, ask.value)


def _suites(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.suite for row in rows))


def _route(
    models: Sequence[Replay],
    learned: Sequence[Row] | None,
    rows: Sequence[Row],
    suite: str,
    ask: Any,
) -> Iterator[Choice]:
    market = Market(_of(models, suite), ask.value)
    tasks = [row for row in rows if row.suite == suite]
    known = [row for row in learned or () if row.suite == suite]
    for first, second in [(known, tasks)] if learned else offline.folds(tasks, ask.seed):
        state = calibrated(first, market.models)
        low, high = offline.ends(market, state, first)
        yield from offline.choose(market, state, second, low, high)


def _of(models: Sequence[Replay], suite: str) -> tuple[Replay, ...]:
    return tuple(one for one in models if suite in one.suites)


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
    for suite in sorted(_suites([one.row for one in choices])):
        of = [one for one in choices if one.row.suite == suite]
        known = [row for row in learned if row.suite == suite]
        suites[suite] = _suite_scored(Market(_of(models, suite), value), known, of)
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


# Measure: all parts on one folder.


def measured(models: Sequence[Replay], rows: Sequence[Row], ask: Any) -> dict[str, Any]:
    """Run the parts, print each line as it comes, return all figures."""
    parts = {
        "offline": _offline,
        "online": _online,
        "drift": _drift,
        "bursts": _bursts,
        "liar": _liar,
        "speed": _speed,
    }
    figures: dict[str, Any] = {}
    for name in ask.parts.split(","):
        lines, details = parts[name](models, rows, ask)
        for measure, figure, reach, is_more in lines:
            is_reached = figure >= reach if is_more else figure <= reach
            sign = "≥" if is_more else "≤"
            said = "" if is_reached else "   missed"
            print(f"{measure:48} {figure:9.4f}   {sign} {reach:g}{said}", flush=True)
        figures |= details | {measure: figure for measure, figure, _, _ in lines}
    return figures


def _market(models: Sequence[Replay], rows: Sequence[Row]) -> tuple[tuple[Replay, ...], list[Row]]:
    """Return the suite with most bidders, and its rows."""
    suite = max(_suites(rows), key=lambda one: len(_of(models, one)))
    return _of(models, suite), [row for row in rows if row.suite == suite]


def _offline(models: Sequence[Replay], rows: Sequence[Row], ask: Any) -> Found:
    bidders, tasks = _market(models, rows)
    rich, thrift = (offline.gain(bidders, tasks, value, ask.seed) for value in (10.0, 0.25))
    curve = offline.quality(bidders, tasks, ask.seed)
    sure = offline.calibration(bidders, tasks, ask.seed)
    lines: list[Line] = [
        ("gain over best fixed, quality first", rich["gain"], 0.012, True),
        ("gain over best fixed, thrift", thrift["gain"], 0.005, True),
        ("cost to equal the strongest", curve["equal"], 0.75, False),
        ("cost to reach 95 % of it", curve["nearly"], 0.37, False),
        ("calibration error", sure["calibration_error"], 0.025, False),
        ("Brier", sure["brier"], 0.228, False),
    ]
    reach = {"mmlu": (0.61, 0.36, 0.66), "gsm8k": (0.60, 1.0, 1.0)}
    pairs = {suite: _pair(models, rows, suite, ask.seed) for suite in _suites(rows)}
    for suite, found in pairs.items():
        for name, least in zip(found, reach.get(suite, (0.5, 1.0, 1.0)), strict=False):
            lines.append((f"{suite} {name}", found[name], least, name == "apgr"))
    if ask.picture:
        routing_picture.draw(ask.picture, curve["curve"], {"strongest": curve["strongest"]})
    return lines, {"curve": curve["curve"], "quality_first": rich, "thrift": thrift}


def _pair(models: Sequence[Replay], rows: Sequence[Row], suite: str, seed: int) -> dict[str, Any]:
    bidders = _of(models, suite)
    if len(bidders) != 2:
        return {}
    return offline.pair(bidders, [row for row in rows if row.suite == suite], seed)


def _streams(ask: Any) -> range:
    return range(ask.seed, ask.seed + ask.seeds)


def _online(models: Sequence[Replay], rows: Sequence[Row], ask: Any) -> Found:
    bidders, tasks = _market(models, rows)
    lines: list[Line] = []
    reach = {(10.0, 0): (0.0, 25.0), (0.25, 0): (-0.012, 60.0)}
    reach |= {(10.0, 1): (0.02, -50.0), (0.25, 1): (0.0, -10.0)}
    for (value, is_graded), (last, regret) in reach.items():
        market, graded = Market(bidders, value), len(tasks) // 2 * is_graded
        found = [online.learning(market, tasks, seed, graded) for seed in _streams(ask)]
        kind = f"{'graded' if is_graded else 'cold'}, V = {value:g} m$"
        lines.append((f"{kind}: last 1,000", mean(one["last"] for one in found), last, True))
        lines.append((f"{kind}: regret", mean(one["regret"] for one in found), regret, False))
    return lines, {"rivals": _rivals(bidders, tasks, ask)}


def _rivals(bidders: tuple[Replay, ...], tasks: Sequence[Row], ask: Any) -> dict[str, float]:
    found = {}
    for name, draw in (("thompson", routing_rivals.thompson), ("greedy", routing_rivals.greedy)):
        for value in (10.0, 0.25):
            market = Market(bidders, value)
            lost = [routing_rivals.rival(market, tasks, seed, draw) for seed in _streams(ask)]
            found[f"{name}, V = {value:g} m$"] = mean(one["regret"] for one in lost)
    for name, regret in found.items():
        print(f"{'independent cells, ' + name + ': regret':48} {regret:9.4f}", flush=True)
    return found


def _drift(models: Sequence[Replay], rows: Sequence[Row], ask: Any) -> Found:
    bidders, tasks = _market(models, rows)
    market = Market(bidders, 10.0)
    found = [online.drifting(market, tasks, seed) for seed in _streams(ask)]
    costs = [online.watching_cost(market, tasks, seed) for seed in _streams(ask)]
    lines: list[Line] = [
        ("drift: tasks until share < 10 %", mean(one["noticed"] for one in found), 150, False),
        ("drift: tasks until share is back", mean(one["recovered"] for one in found), 450, False),
        ("drift: loss when nothing drifts", mean(costs), 0.005, False),
    ]
    return lines, {"drifts": found}


def _bursts(models: Sequence[Replay], rows: Sequence[Row], ask: Any) -> Found:
    bidders, tasks = _market(models, rows)
    lines: list[Line] = []
    details: dict[str, Any] = {}
    for share, reach in ((0.003, 20.0), (0.01, 7.0)):
        market = Market(bidders, 0.25, 0.25 * share)
        found = online.bursts(market, tasks, ask.seed)
        lines.append((f"bursts: p95 in s, w/V = {share}", found["p95_s"], reach, False))
        blind = online.bursts(market, tasks, ask.seed, sees_queue=False)
        details[f"bursts {share}"] = {"seeing": found, "blind": blind}
    return lines, details


def _liar(models: Sequence[Replay], rows: Sequence[Row], ask: Any) -> Found:
    bidders, tasks = _market(models, rows)
    found = [online.lying(Market(bidders, value), tasks, ask.seed) for value in (10.0, 0.25)]
    lines: list[Line] = [
        ("liar: loss recovered", mean(one["recovered"] for one in found), 0.95, True),
        ("liar: cost to honest bidders", max(one["honest_cost"] for one in found), 0.01, False),
    ]
    return lines, {"liar_worst_share": max(one["worst_share"] for one in found)}


def _speed(models: Sequence[Replay], rows: Sequence[Row], ask: Any) -> Found:
    bidders, tasks = _market(models, rows)
    market, state, times = Market(bidders, 10.0), calibrated(tasks[:200], bidders), []
    for row in tasks[:300]:
        begin = time.perf_counter()
        market.hold(state, row)
        times.append(1000 * (time.perf_counter() - begin))
    return [(f"decision for {len(bidders)} bidders, ms", median(times), 1.0, False)], {}


if __name__ == "__main__":
    main()
