"""The parts of the routing benchmark, each a few figures beside what they should reach."""

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import mean, median
from typing import Any

from benchmarks import routing_offline as offline
from benchmarks import routing_online as online
from benchmarks import routing_picture, routing_rivals
from benchmarks.routing_replay import Market, Replay, Row, bidders_of, calibrated, suites_of

Line = tuple[str, float, float, bool]  # measure, figure, reach, whether more is better
Found = tuple[list[Line], dict[str, Any]]


def measured(models: Sequence[Replay], rows: Sequence[Row], ask: Any) -> dict[str, Any]:
    """Run the parts, print each line as it comes, return all figures."""
    figures: dict[str, Any] = {}
    for name in ask.parts.split(","):
        lines, details = PARTS[name](models, rows, ask)
        for line in lines:
            _tell(*line)
        figures |= details | {measure: figure for measure, figure, _, _ in lines}
    return figures


def _tell(measure: str, figure: float, reach: float, is_more: bool) -> None:
    said = "" if (figure >= reach if is_more else figure <= reach) else "   missed"
    print(f"{measure:48} {figure:9.4f}   {'≥' if is_more else '≤'} {reach:g}{said}", flush=True)


def _market(models: Sequence[Replay], rows: Sequence[Row]) -> tuple[tuple[Replay, ...], list[Row]]:
    """Return the suite with most bidders, and its rows."""
    suite = max(suites_of(rows), key=lambda one: len(bidders_of(models, one)))
    return bidders_of(models, suite), [row for row in rows if row.suite == suite]


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
    pairs = {suite: _pair(models, rows, suite, ask.seed) for suite in suites_of(rows)}
    for suite, found in pairs.items():
        for name, least in zip(found, reach.get(suite, (0.5, 1.0, 1.0)), strict=False):
            lines.append((f"{suite} {name}", found[name], least, name == "apgr"))
    if ask.picture:
        routing_picture.draw(ask.picture, curve["curve"], {"strongest": curve["strongest"]})
    return lines, {"curve": curve["curve"], "quality_first": rich, "thrift": thrift}


def _pair(models: Sequence[Replay], rows: Sequence[Row], suite: str, seed: int) -> dict[str, Any]:
    bidders = bidders_of(models, suite)
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


PARTS: Mapping[str, Callable[[Sequence[Replay], Sequence[Row], Any], Found]] = {
    "offline": _offline,
    "online": _online,
    "drift": _drift,
    "bursts": _bursts,
    "liar": _liar,
    "speed": _speed,
}
