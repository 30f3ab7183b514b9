"""How much sooner a search finds a fix once the solution library has seen others.

Part of `benchmarks/repair.py --library`. In each of several random orders of the programs the
first 20 that are repaired fill the library; the rest are searched with it, and without it. What
counts is the median number of candidates up to the first that passes all visible tests. Every
search is the product's own; of further orders the recorded searches are only put into the order
that the library gives. With `--state FILE` each result is kept there at once, and a run that
was interrupted goes on from it.
"""

import json
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agora.domain.repair.solutions import Instinct, learnt

LEARNT = 20  # repairs that fill the library
RECKONED = 200  # further orders, for which the recorded searches are only put into another order
RESAMPLED = 2000  # draws of the bootstrap
Json = dict[str, Any]
Look = Callable[[Json, Instinct, int], Json]
"""Search one program: `until_first` (0: nothing was found) and the `lesson` of it."""
Told = Callable[[Json, Instinct, int], int]
"""Return how many candidates one program takes with a library."""


@dataclass
class Notebook:
    """Results that are known already, and kept at once when they are new."""

    path: Path | None
    known: dict[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read what an earlier run has left; a torn last line is done again."""
        if self.path and self.path.exists():
            for line in self.path.read_text("utf-8").splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                self.known[entry["key"]] = entry["value"]

    def get(self, key: str, find: Callable[[], Json]) -> Json:
        """Return what is known under a key, finding it out where nothing is."""
        if key not in self.known:
            self.known[key] = find()
            if self.path:
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"key": key, "value": self.known[key]}) + "\n")
        return self.known[key]


def measure(
    programs: Sequence[Json], look: Look, orders: int, seed: int, state: Path | None
) -> Json:
    """Return the figures over so many random orders, and of `RECKONED` more, not searched again."""
    notes = Notebook(state)
    plain = {
        one["task_id"]: _noted(notes, f"{seed}/plain/{one['task_id']}", look, one, Instinct(), seed)
        for one in programs
    }

    def searched(one: Json, library: Instinct, seed: int) -> int:
        key = f"{seed}/library/{one['task_id']}"
        return _until(_noted(notes, key, look, one, library, seed))

    def reckoned(one: Json, library: Instinct, seed: int) -> int:
        known = plain[one["task_id"]]
        is_single = known["lesson"].get("passed")
        return library.place(known["lesson"], seed) if is_single else _until(known)

    found = [_order(programs, plain, searched, seed + number) for number in range(orders)]
    others = range(seed + orders, seed + orders + RECKONED)
    more = [_order(programs, plain, reckoned, number)["fall"] for number in others]
    return {
        "orders": orders,
        "learnt": LEARNT,
        **_summary([one["fall"] for one in found], seed),
        "falls": [one["fall"] for one in found],
        "without": [one["without"] for one in found],
        "with": [one["with"] for one in found],
        "lost": sum(one["lost"] for one in found),
        "gained": sum(one["gained"] for one in found),
        "reckoned": {"orders": RECKONED, **_summary(more, seed)},
    }


def _summary(falls: Sequence[float], seed: int) -> Json:
    low, high = _interval(falls, seed)
    median = round(statistics.median(falls), 4)
    worse = sum(fall < 0 for fall in falls)
    return {"fall_median": median, "fall_low": low, "fall_high": high, "worse": worse}


def _order(programs: Sequence[Json], plain: dict[str, Json], told: Told, seed: int) -> Json:
    order = list(programs)
    random.Random(seed).shuffle(order)
    repaired = [one for one in order if plain[one["task_id"]]["lesson"]][:LEARNT]
    library = learnt([plain[one["task_id"]]["lesson"] for one in repaired])
    rest = [one for one in order if one not in repaired]
    without = [_until(plain[one["task_id"]]) for one in rest]
    taught = [told(one, library, seed) for one in rest]
    before, after = statistics.median(without), statistics.median(taught)
    print(f"order {seed}: median {before:g} candidates without, {after:g} with", flush=True)
    return {
        "without": before,
        "with": after,
        "fall": round(1 - after / before, 4),
        "lost": sum(b < NEVER <= a for b, a in zip(without, taught, strict=True)),
        "gained": sum(a < NEVER <= b for b, a in zip(without, taught, strict=True)),
    }


NEVER = 1_000_000  # stands for "until the end, and in vain": above every number of candidates


def _until(result: Json) -> int:
    return int(result["until_first"]) or NEVER


def _noted(notes: Notebook, key: str, look: Look, one: Json, library: Instinct, seed: int) -> Json:
    def find() -> Json:
        result = look(one, library, seed)
        print(f"{key:40} {result['until_first'] or 'not found'}", flush=True)
        return result

    return notes.get(key, find)


def _interval(falls: Sequence[float], seed: int) -> tuple[float, float]:
    """Return the bootstrap's 90 % interval of the median over the orders (Efron, 1979)."""
    chance = random.Random(seed)
    drawn = sorted(statistics.median(chance.choices(falls, k=len(falls))) for _ in range(RESAMPLED))
    return round(drawn[int(0.05 * RESAMPLED)], 4), round(drawn[int(0.95 * RESAMPLED)], 4)
