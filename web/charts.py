"""Charts: where marks stand, in per cent across and pixels down; templates draw them as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log10

LEFT, RIGHT = 10.0, 97.0
"""Where the first and the last point of a line stand, in per cent of its width."""
LABELS = 4


@dataclass(frozen=True)
class Mark:
    """A text at a place: x in per cent, y in pixels."""

    x: float
    y: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True)
class Line:
    """A line chart of a height in pixels."""

    height: int
    points: str  # of a polyline in a viewBox 100 wide
    end: Mark  # the last point, and what it says
    levels: Sequence[Mark]  # grid lines
    below: Sequence[Mark]  # labels of the x axis


def line(
    values: Sequence[float], labels: Sequence[str], said: str, levels: Sequence[float], unit: str
) -> Line:
    """Return a chart of shares or counts; `levels` are the grid lines, the lowest first."""
    height, top, foot = 240, 18.0, 214.0
    low, high = levels[0], levels[-1]

    def y(value: float) -> float:
        held = min(max(value, low), high)
        return round(foot - (held - low) / (high - low) * (foot - top), 1)

    xs = spread(len(values))
    return Line(
        height,
        " ".join(f"{x:.2f},{y(value)}" for x, value in zip(xs, values, strict=True)),
        Mark(xs[-1], y(values[-1]), said),
        [Mark(0, y(level), f"{level:g} {unit}".strip(), "start") for level in levels],
        _below(xs, labels, height - 6),
    )


def spread(count: int) -> list[float]:
    """Return where so many points stand from left to right, in per cent."""
    if count == 1:
        return [RIGHT]
    return [round(LEFT + (RIGHT - LEFT) * one / (count - 1), 2) for one in range(count)]


def _below(xs: Sequence[float], labels: Sequence[str], y: float) -> list[Mark]:
    """Return at most four labels of an axis, the first and the last among them."""
    count = len(labels)
    picked = {round(one * (count - 1) / (LABELS - 1)) for one in range(LABELS)}
    marks = [Mark(xs[one], y, labels[one]) for one in sorted(picked)]
    return [*marks[:-1], Mark(100, y, marks[-1].text, "end")] if count > 1 else marks


def floor_of(values: Sequence[float]) -> list[float]:
    """Return three to five grid lines in per cent, from just below the least value up to 100."""
    least = min(values)
    for low, step in ((90, 5), (80, 5), (60, 10), (0, 25)):
        if least >= low:
            return [float(one) for one in range(low, 101, step)]
    return [0.0, 100.0]


def spark(values: Sequence[float | None], floor: float = 0.0) -> list[tuple[float, float]]:
    """Return points in 112 × 24 for shares in [floor, 1]; None is a day without any."""
    step = 108 / max(1, len(values) - 1)
    return [
        (round(2 + number * step, 1), round(21 - 18 * max(0.0, value - floor) / (1 - floor), 1))
        for number, value in enumerate(values)
        if value is not None
    ]


def polyline(points: Sequence[tuple[float, float]]) -> str:
    """Return points as a polyline has them."""
    return " ".join(f"{x},{y}" for x, y in points)


def percent(value: float, most: float) -> str:
    """Return a width in per cent of the greatest one."""
    return f"{100 * max(0.0, value) / most:.2f}%" if most > 0 else "0%"


@dataclass(frozen=True)
class Evidence:
    """E-values over the pairs of a trial, both on one logarithmic axis, even in the middle."""

    height: int
    won: str
    lost: str
    even: float
    promote: float
    drop: float
    ten: float
    end: Mark
    below: Sequence[Mark]


def evidence(
    won: Sequence[float], lost: Sequence[float], promote: float, drop: float, pairs: Sequence[int]
) -> Evidence:
    """Return the chart of a trial: up speaks for the candidate, promoted and dropped at limits."""
    height, even, decade = 270, 161.5, 89.6
    xs = [LEFT + 75 * pair / max(1, pairs[-1]) for pair in pairs]

    def y(value: float) -> float:
        return round(min(250.0, max(20.0, even - decade * log10(max(value, 0.01)))), 1)

    return Evidence(
        height,
        " ".join(f"{x:.2f},{y(value)}" for x, value in zip(xs, won, strict=True)),
        # Against it points down: its own limit stands below the even line.
        " ".join(f"{x:.2f},{y(1 / max(v, 0.01))}" for x, v in zip(xs, lost, strict=True)),
        even,
        y(promote),
        y(1 / drop),
        y(10),
        Mark(round(xs[-1], 2), y(won[-1]), f"{won[-1]:.2f}"),
        [Mark(LEFT, 264, "0"), Mark(round(xs[-1], 2), 264, f"{pairs[-1]} pairs")],
    )


def step_of(most: float) -> float:
    """Return a round number that is at least a quarter of the greatest one."""
    if most <= 0:
        return 1.0
    size = 10.0 ** int(log10(most / 4))
    return float(ceil(most / 4 / size)) * size
