"""A queueing model of many workers: what limits them, and when.

Tasks arrive at random (Poisson) and wait for a free slot of any worker. In a slot a task uses its
worker's core, then the database, then waits for a model; core and database serve one task at a
time, in order. With measured times it says how many tasks a day a number of workers bears, and
where the first bottleneck is. Kleinrock, Queueing Systems I (1975), for the bounds; the times of
waiting come from a simulation, because slots and cores together have no closed form.
"""

import heapq
import random
from dataclasses import dataclass

DAY_S = 86_400.0


@dataclass(frozen=True)
class Costs:
    """What one task needs, in seconds: of its worker's core, of the database, of a model."""

    core_s: float
    database_s: float
    model_s: float


@dataclass(frozen=True)
class Site:
    """So many workers, each with a core and so many slots, on one database."""

    workers: int
    slots: int

    def capacity(self, costs: Costs) -> dict[str, float]:
        """Return how many tasks a second each part could bear if it alone limited them."""
        slot_s = costs.core_s + costs.database_s + costs.model_s
        return {
            "slots": self.workers * self.slots / slot_s,
            "cores": self.workers / costs.core_s,
            "database": 1 / costs.database_s,
        }

    def bottleneck(self, costs: Costs) -> tuple[str, float]:
        """Return the part that limits the site, and how many tasks a second it bears."""
        return min(self.capacity(costs).items(), key=lambda part: part[1])


@dataclass(frozen=True)
class Waits:
    """What a simulation has found: seconds from arrival to end, and tasks ended a second."""

    p50_s: float
    p95_s: float
    per_s: float


def simulate(site: Site, costs: Costs, per_s: float, tasks: int, seed: int = 0) -> Waits:
    """Let tasks arrive at a rate and return how long they took; models take exponential times."""
    chance, clock = random.Random(seed), 0.0
    free = [(0.0, number % site.workers) for number in range(site.workers * site.slots)]
    heapq.heapify(free)
    cores, database, took, last = [0.0] * site.workers, 0.0, [], 0.0
    for _ in range(tasks):
        clock += chance.expovariate(per_s)
        since, worker = heapq.heappop(free)
        cores[worker] = max(clock, since, cores[worker]) + costs.core_s
        database = max(cores[worker], database) + costs.database_s
        last = database + chance.expovariate(1 / costs.model_s) if costs.model_s else database
        heapq.heappush(free, (last, worker))
        took.append(last - clock)
    took.sort()
    return Waits(took[len(took) // 2], took[len(took) * 95 // 100], tasks / max(last, clock))
