"""The parts of the routing benchmark, each a few figures beside what they should reach."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import mean, median
from typing import Any

from agora.domain import standings
from benchmarks import routing_offline as offline
from benchmarks import routing_online as online
from benchmarks import routing_picture, routing_slow
from benchmarks import routing_rivals as rivals
from benchmarks.routing_replay import Market, Replay, Row, bidders_of, calibrated, event, suites_of

VALUES_MUSD = (10.0, 0.25)
"""Quality first, and thrift: what a right answer is worth, in m$."""
GRADED_FOLDS, GRADED_SEEDS = (2, 3, 5, 10), 4
"""A graded part of 1/2, 2/3, 4/5 and 9/10, the rest tested; so many random divisions of each."""
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
    rich, thrift = (offline.gain(bidders, tasks, value, ask.seed) for value in VALUES_MUSD)
    table = _offline_table(bidders, tasks, (rich, thrift), ask.seed)
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
    for suite in suites_of(rows):
        _tell_pairwise(models, rows, suite, ask.seed)
    pairs = {suite: _pair(models, rows, suite, ask.seed) for suite in suites_of(rows)}
    for suite, found in pairs.items():
        for name, least in zip(found, reach.get(suite, (0.5, 1.0, 1.0)), strict=False):
            lines.append((f"{suite} {name}", found[name], least, name == "apgr"))
    if ask.picture:
        routing_picture.draw(ask.picture, curve["curve"], curve["points"])
    details = {"curve": curve["curve"], "points": curve["points"]}
    return lines, details | {"quality_first": rich, "thrift": thrift, "rivals_offline": table}


def _offline_table(
    bidders: tuple[Replay, ...],
    tasks: Sequence[Row],
    found: Sequence[Mapping[str, float]],
    seed: int,
) -> dict[str, list[float]]:
    """Print and return the gains over the best fixed expert of all that could route instead."""
    others = [rivals.graded(Market(bidders, value), tasks, seed) for value in VALUES_MUSD]
    table = {
        f"always the {name}" if name.endswith("est") else name: [
            of[name] - of["best_fixed"] for of in found
        ]
        for name in ("auction", "cheapest", "strongest", "random")
    }
    table |= {name: [of[name] for of in others] for name in rivals.RIVALS}
    _tabulate("offline: gain over the best fixed expert", table)
    return table


def _pair(models: Sequence[Replay], rows: Sequence[Row], suite: str, seed: int) -> dict[str, Any]:
    bidders = bidders_of(models, suite)
    if len(bidders) != 2:
        return {}
    return offline.pair(bidders, [row for row in rows if row.suite == suite], seed)


def _tell_pairwise(models: Sequence[Replay], rows: Sequence[Row], suite: str, seed: int) -> None:
    market = Market(bidders_of(models, suite), 10.0)
    of = [row for row in rows if row.suite == suite]
    if len(market.models) == 2:
        state = calibrated(of, market.models)
        low, high = market.cheapest(state, of[0]), market.strongest(state)
        found = rivals.pairwise(of, seed, low, high)
        print(f"  {suite + ' apgr of a pairwise router on words':45} {found:9.4f}", flush=True)


def _streams(ask: Any) -> range:
    return range(ask.seed, ask.seed + ask.seeds)


def _online(models: Sequence[Replay], rows: Sequence[Row], ask: Any) -> Found:
    bidders, tasks = _market(models, rows)
    lines: list[Line] = []
    reach = {(10.0, 0): (0.0, 25.0), (0.25, 0): (-0.012, 60.0)}
    reach |= {(10.0, 1): (0.02, -50.0), (0.25, 1): (0.0, -10.0)}
    cold, seeds = {}, {}
    for (value, is_graded), (last, regret) in reach.items():
        market, graded = Market(bidders, value), len(tasks) // 2 * is_graded
        found = [online.learning(market, tasks, seed, graded) for seed in _streams(ask)]
        kind = f"{'graded' if is_graded else 'cold'}, V = {value:g} m$"
        lines.append((f"{kind}: last 1,000", mean(one["last"] for one in found), last, True))
        lines.append((f"{kind}: regret", mean(one["regret"] for one in found), regret, False))
        cold[value, is_graded], seeds[kind] = lines[-1][1], found
    table = {"auction": [cold[10.0, 0], cold[0.25, 0]]}
    for name in rivals.RIVALS:
        lost = [
            [rivals.streamed(Market(bidders, value), tasks, seed, name) for seed in _streams(ask)]
            for value in VALUES_MUSD
        ]
        table[name] = [mean(one["regret"] for one in of) for of in lost]
    _tabulate("online, cold: regret over 3,000 tasks", table)
    return lines, {"rivals_online": table, "online_by_seed": seeds}


def _tabulate(title: str, table: Mapping[str, Sequence[float]]) -> None:
    print(f"\n{title:44} {'V = 10 m$':>10} {'V = 0.25 m$':>12}")
    for name, (rich, thrift) in table.items():
        print(f"  {name:42} {rich:10.4f} {thrift:12.4f}", flush=True)
    print()


def _grading(models: Sequence[Replay], rows: Sequence[Row], ask: Any) -> Found:
    """Tell what more graded tasks would teach: what a graded start can gain, and what none can."""
    bidders, tasks = _market(models, rows)
    seeds = range(ask.seed, ask.seed + GRADED_SEEDS)
    table = {
        f"{len(tasks) - len(tasks) // count} tasks graded": [
            mean(offline.taught(bidders, tasks, value, count, seed) for seed in seeds)
            for value in VALUES_MUSD
        ]
        for count in GRADED_FOLDS
    }
    table["the best of each domain, known beforehand"] = [
        offline.foreknown(bidders, tasks, value) for value in VALUES_MUSD
    ]
    _tabulate("gain over the best fixed expert, by grading", table)
    return [], {"grading": table}


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


def _slow(models: Sequence[Replay], rows: Sequence[Row], ask: Any) -> Found:
    """Every task, at the price of thrift; and those that must stay local, at that of quality."""
    bidders, tasks = _market(models, rows)
    local = tuple(one for one in bidders if one.is_local)
    markets = [
        Market(of, value, value * share)
        for of, value in ((bidders, 0.25), (local, 10.0))
        for share in (0.0, 0.003, 0.01)
    ]
    found = [
        routing_slow.slowed(market, tasks, ask.seed + at) for market in markets for at in (0, 1)
    ]
    alone = [routing_slow.left_alone(market, tasks, ask.seed) for market in markets]
    lines: list[Line] = [
        ("slow: worst share after 50 tasks", max(one["slow"] for one in found), 0.1, False),
        (
            "slow: share back after 500 tasks",
            mean(one["back"] / one["usual"] for one in found),
            0.8,
            True,
        ),
        ("slow: least share of the last expert", min(alone), 1.0, True),
    ]
    return lines, {"slowed": found}


def _speed(models: Sequence[Replay], rows: Sequence[Row], ask: Any) -> Found:
    bidders, tasks = _market(models, rows)
    many = [replace(bidders[at % len(bidders)], name=f"model {at}") for at in range(100)]
    lines: list[Line] = [
        ("decision for 8 bidders, ms", _decision_ms(bidders, bidders, tasks), 1.0, False),
        ("decision for 100 bidders, ms", _decision_ms(many, bidders, tasks), 4.0, False),
    ]
    return lines, {}


def _decision_ms(
    bidders: Sequence[Replay], recorded: Sequence[Replay], tasks: Sequence[Row]
) -> float:
    """Return the median time of an auction in which each bidder has 20 outcomes."""
    market, state, times = Market(tuple(bidders), 10.0), standings.empty(), []
    for row in tasks[:20]:
        for at, one in enumerate(bidders):
            outcome = event(row, recorded[at % len(recorded)], is_graded=True)
            state = standings.step(state, outcome | {"bidder": one.bidder})
    for row in tasks[:100]:
        begin = time.perf_counter()
        market.hold(state, row)
        times.append(1000 * (time.perf_counter() - begin))
    return median(times)


PARTS: Mapping[str, Callable[[Sequence[Replay], Sequence[Row], Any], Found]] = {
    "offline": _offline,
    "online": _online,
    "grading": _grading,
    "drift": _drift,
    "bursts": _bursts,
    "slow": _slow,
    "liar": _liar,
    "speed": _speed,
}
