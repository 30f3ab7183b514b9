"""Streams of outcomes with known truth, decided by the product's own functions.

All repetitions go side by side. What the product decides in a state is asked once and kept in a
table: the states of a watch are how often it stepped up and down since it last stood at zero.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agora.domain import prompt_records, sequential
from agora.domain.sequential import Cusum

Bools = Any
HEALTHY, FALLEN, REPEATED = 0.85, 0.50, 20_000
BEFORE, WITHIN, LONG = 100, 100, 200
"""Tasks before a fall, tasks within which it must be seen, and tasks of a healthy expert."""
INCUMBENT = 0.70


@dataclass
class Walk:
    """A machine of two inputs whose steps are asked of the product, each once."""

    step: Callable[[Any, bool], Any]
    rings: Callable[[Any], bool]
    key: Callable[[Any], Hashable]
    states: list[Any] = field(default_factory=list)
    known: dict[Hashable, int] = field(default_factory=dict)
    after: Bools = field(default_factory=lambda: np.full(1024, -1))  # by 2 * state + input
    is_ringing: Bools = field(default_factory=lambda: np.zeros(512, dtype=bool))

    def number(self, state: Any) -> int:
        """Return the number of a state."""
        found = self.known.setdefault(self.key(state), len(self.states))
        if found == len(self.states):
            self.states.append(state)
            if found == len(self.is_ringing):
                self.is_ringing = np.concatenate([self.is_ringing, np.zeros(found, dtype=bool)])
                self.after = np.concatenate([self.after, np.full(2 * found, -1)])
            self.is_ringing[found] = self.rings(state)
        return found

    def move(self, at: Bools, right: Bools) -> Bools:
        """Return the states after one outcome of each stream."""
        asked = 2 * at + right
        for one in np.unique(asked[self.after[asked] < 0]).tolist():
            number = self.number(self.step(self.states[one // 2], bool(one % 2)))
            self.after[one] = number
        return self.after[asked]

    def first_alarm(self, at: Bools, outcomes: Bools) -> Bools:
        """Return after how many outcomes each stream rings; 0: never."""
        rang = np.zeros(len(at), dtype=int)
        for task in range(outcomes.shape[1]):
            at = self.move(at, outcomes[:, task])
            fresh = self.is_ringing[at] & (rang == 0)
            rang[fresh] = task + 1
        return rang


def _lattice(watch: Cusum, is_right: bool, counts: tuple[int, int]) -> tuple[Cusum, Any]:
    after = watch.step(is_right)
    if after.total == 0.0:
        return after, (0, 0)
    return after, (counts[0] + (not is_right), counts[1] + is_right)


def cusum_walk() -> Walk:
    """Return the walk of watches; a state is (watch, (wrong, right) since zero)."""
    return Walk(
        step=lambda state, right: _lattice(state[0], right, state[1]),
        rings=lambda state: state[0].is_alarm,
        key=lambda state: (state[0].p0, state[0].p1, state[0].alarm, state[1]),
    )


def watched(outcomes: Bools) -> Bools:
    """Return when each expert's watch rings: p0 = .80 first, its own rate after 100 outcomes."""
    walk, known = cusum_walk(), sequential.OWN_RATE_OUTCOMES
    start = np.full(len(outcomes), walk.number((sequential.expert_watch(), (0, 0))))
    first = walk.first_alarm(start, outcomes[:, :known])
    own = outcomes[:, :known].sum(axis=1)
    fresh = {n: walk.number((sequential.expert_watch(int(n), known), (0, 0))) for n in set(own)}
    later = walk.first_alarm(np.array([fresh[n] for n in own]), outcomes[:, known:])
    return np.where(first > 0, first, np.where(later > 0, later + known, 0))


def agrees_with_the_fold(outcomes: Bools, rang: Bools, streams: int = 200) -> bool:
    """Return whether the product's fold rings at the same outcome, stream by stream."""
    for row, expected in zip(outcomes[:streams], rang[:streams], strict=True):
        cell: Any = prompt_records.NEW
        found = 0
        for number, right in enumerate(row, start=1):
            event = {"right": bool(right), "bidder": "e@m", "task_id": str(number)}
            cell = prompt_records.judged(cell, event)
            if prompt_records.cusum(cell).is_alarm:
                found = number
                break
        if found != expected:
            return False
    return True


def floored(outcomes: Bools) -> Bools:
    """Return whether the floor rings anywhere in each stream."""
    right = np.cumsum(outcomes, axis=1)
    count = outcomes.shape[1]
    below = np.zeros((count + 1, count + 1), dtype=bool)
    for seen in range(1, count + 1):
        below[seen, : seen + 1] = [sequential.is_below_floor(n, seen) for n in range(seen + 1)]
    return below[np.arange(1, count + 1)[None, :], right].any(axis=1)


def last_twenty_below(outcomes: Bools, limit: float) -> Bools:
    """Return when the mean of the last 20 outcomes first is below a limit; 0: never."""
    sums = np.cumsum(np.pad(outcomes, ((0, 0), (1, 0))), axis=1)
    below = (sums[:, 20:] - sums[:, :-20]) / 20 < limit
    return np.where(below.any(axis=1), below.argmax(axis=1) + 20, 0)


def detection(dice: np.random.Generator) -> dict[str, float]:
    """Return how often a healthy expert is suspected, and how soon a fall is seen."""
    healthy = dice.random((REPEATED, LONG)) < HEALTHY
    rang = watched(healthy)
    assert agrees_with_the_fold(healthy, rang), "the fold decides otherwise"
    before = dice.random((REPEATED, BEFORE)) < HEALTHY
    outcomes = np.concatenate([before, dice.random((REPEATED, WITHIN)) < FALLEN], axis=1)
    fell = watched(outcomes)
    fair = (fell == 0) | (fell > BEFORE)  # who rang before the fall says nothing of it
    caught = fell[fair] > 0
    fresh = watched(dice.random((REPEATED, WITHIN)) < FALLEN)
    naive = last_twenty_below(outcomes[fair], 0.70)
    naive_caught = naive > BEFORE
    return {
        "false_alarm": float((rang > 0).mean()),
        "false_alarm_naive": float((last_twenty_below(healthy, 0.70) > 0).mean()),
        "false_alarm_floor": float(floored(healthy).mean()),
        "drop_caught": float(caught.mean()),
        "drop_delay": float((fell[fair][caught] - BEFORE).mean()),
        "drop_caught_new": float((fresh > 0).mean()),
        "drop_delay_new": float(fresh[fresh > 0].mean()),
        "drop_delay_naive": float((naive[naive_caught] - BEFORE).mean()),
    }


@dataclass
class Verdicts:
    """The product's verdicts on trials, each asked once."""

    known: dict[tuple[int, int, int], str] = field(default_factory=dict)

    def of(self, wins: int, losses: int, pairs: int) -> str:
        """Return what follows from these pairs; their number matters at the end only."""
        is_last = pairs if pairs >= sequential.MAX_PAIRS else wins + losses
        asked = (wins, losses, is_last)
        if asked not in self.known:
            self.known[asked] = sequential.trial(*asked)
        return self.known[asked]


def trials(
    dice: np.random.Generator, verdicts: Verdicts, incumbent: float, candidate: float
) -> tuple[Bools, Bools, Bools]:
    """Return how each trial ended (promoted?), after how many pairs, at which success rate."""
    pairs = sequential.MAX_PAIRS
    theirs = dice.random((REPEATED, pairs)) < incumbent
    ours = dice.random((REPEATED, pairs)) < candidate
    wins = np.cumsum(ours & ~theirs, axis=1)
    losses = np.cumsum(theirs & ~ours, axis=1)
    promoted, ended = np.zeros(REPEATED, dtype=bool), np.zeros(REPEATED, dtype=int)
    for number in range(1, pairs + 1):
        going = np.flatnonzero(ended == 0)
        counts = np.stack([wins[going, number - 1], losses[going, number - 1]], axis=1)
        distinct, places = np.unique(counts, axis=0, return_inverse=True)
        said = np.array([verdicts.of(int(w), int(n), number) for w, n in distinct])[places.ravel()]
        over = said != "continue"
        ended[going[over]], promoted[going[over]] = number, said[over] == "promote"
    rates = np.cumsum(ours, axis=1)[np.arange(REPEATED), ended - 1] / ended
    return promoted, ended, rates


def promotion(dice: np.random.Generator) -> tuple[dict[str, float], Bools]:
    """Return how trials of equal, worse and better candidates end, and the winners' rates."""
    verdicts = Verdicts()
    equal, _, _ = trials(dice, verdicts, INCUMBENT, INCUMBENT)
    worse, _, _ = trials(dice, verdicts, INCUMBENT, INCUMBENT - 0.15)
    better, pairs, rates = trials(dice, verdicts, INCUMBENT, INCUMBENT + 0.20)
    measured = {
        "false_promotion_equal": float(equal.mean()),
        "false_promotion_worse_15": float(worse.mean()),
        "promoted_better_20": float(better.mean()),
        "mean_pairs_better_20": float(pairs[better].mean()),
    }
    for name, success in (("equal", INCUMBENT), ("worse_15", INCUMBENT - 0.15)):
        theirs = dice.binomial(30, INCUMBENT, REPEATED)
        measured[f"naive_promotion_{name}"] = float(
            (dice.binomial(30, success, REPEATED) > theirs).mean()
        )
    return measured, rates[better]


def regression(dice: np.random.Generator, rates: Bools) -> dict[str, float]:
    """Return how often a fall of .20 after a promotion is missed, and a sound one taken back."""
    walk = cusum_walk()
    watches = {rate: walk.number((sequential.promotion_watch(rate), (0, 0))) for rate in set(rates)}
    start = np.array([watches[rate] for rate in rates])
    success = INCUMBENT + 0.20
    fallen = dice.random((len(rates), LONG)) < success - 0.20
    rang = walk.first_alarm(start, fallen)
    sound = walk.first_alarm(start, dice.random((len(rates), LONG)) < success)
    naive = last_twenty_below(fallen, success - 0.25)
    return {
        "regression_missed": float((rang == 0).mean()),
        "regression_delay": float(rang[rang > 0].mean()),
        "false_rollback": float((sound > 0).mean()),
        "regression_missed_naive": float((naive == 0).mean()),
    }
