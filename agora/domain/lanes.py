"""Lanes: how many subtasks are done at once, by what more of them measurably gains."""

from dataclasses import dataclass

GAIN = 1.2
"""More lanes are kept, and still more tried, where they do so many times as much a second."""


@dataclass(frozen=True)
class Lanes:
    """How many lanes are open, and the best that so many have done: `rate` subtasks a second."""

    width: int
    rate: float = 0.0
    best: int = 0

    def within(self, most: int) -> "Lanes":
        """Return the same, with no more lanes than `most`."""
        return Lanes(min(self.width, most), self.rate, min(self.best, most))

    def measured(self, done: int, seconds: float, most: int) -> "Lanes":
        """Return what to open after so many subtasks in this time: twice as many, or fewer again.

        Doubling stops where servers queue, as the same work then only waits elsewhere.
        """
        rate = done / max(seconds, 1e-6)
        if self.width == self.best:
            return Lanes(self.width, rate, self.best)
        if rate >= GAIN * self.rate:
            return Lanes(min(most, 2 * self.width), rate, self.width)
        return Lanes(self.best, self.rate, self.best)
