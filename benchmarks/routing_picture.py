"""The quality–cost curve as an SVG picture, with a ground of its own: pages are light or dark."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor
from pathlib import Path

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom
WIDTH, HEIGHT = 760, 460
LEFT, TOP, RIGHT, BOTTOM = 70, 50, 20, 60  # margins
LETTER, LINE = 7.2, 15.0
"""Width of a letter and height of a line of text, at 13 pixels."""
INK, FAINT, CURVE, SINGLE = "#24292f", "#d8dee4", "#0969da", "#bc4c00"
NAME = "the auction"


@dataclass(frozen=True)
class Scale:
    """Where a cost in m$ and an accuracy are on the page."""

    most: float  # m$
    low: float
    high: float

    def at(self, point: Point) -> Point:
        """Return x and y of (m$, accuracy)."""
        x = LEFT + point[0] / self.most * (WIDTH - LEFT - RIGHT)
        part = (point[1] - self.low) / (self.high - self.low)
        return x, HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)


def draw(path: Path, curve: Sequence[Point], others: Mapping[str, Point]) -> None:
    """Write the curve and other points by name, each (m$ per task, accuracy)."""
    points = [*curve, *others.values()]
    scale = Scale(
        most=ceil(max(cost for cost, _ in points) * 4 + 0.2) / 4,
        low=floor(min(right for _, right in points) * 20 - 0.2) / 20,
        high=ceil(max(right for _, right in points) * 20 + 0.2) / 20,
    )
    parts = [*_axes(scale), *_curve(scale, curve), *_named(scale, curve, others)]
    path.write_text(_page(parts), "utf-8")


def _page(parts: Sequence[str]) -> str:
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">'
    )
    title = "<title>Accuracy over cost per task: the auction and single models</title>"
    ground = f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#ffffff"/>'
    return "\n".join([head, title, ground, *parts, "</svg>"]) + "\n"


def _axes(scale: Scale) -> Iterator[str]:
    left, bottom = LEFT, HEIGHT - BOTTOM
    for number in range(round(scale.most / 0.25) + 1):
        x, _ = scale.at((number * 0.25, scale.low))
        yield _line((x, TOP), (x, bottom), FAINT)
        yield _text((x, bottom + 18), f"{number * 0.25:g}", "middle")
    for number in range(round((scale.high - scale.low) / 0.05) + 1):
        right = scale.low + number * 0.05
        _, y = scale.at((0, right))
        yield _line((left, y), (WIDTH - RIGHT, y), FAINT)
        yield _text((left - 8, y + 4), f"{100 * right:.0f} %", "end")
    yield _line((left, TOP), (left, bottom), INK)
    yield _line((left, bottom), (WIDTH - RIGHT, bottom), INK)
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield _text((middle, HEIGHT - 14), "cost of a task, in m$ (0.001 USD)", "middle")
    yield _text((16, TOP - 20), "right answers, of all tasks")


def _curve(scale: Scale, curve: Sequence[Point]) -> Iterator[str]:
    places = [scale.at(point) for point in sorted(curve)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{line}" fill="none" stroke="{CURVE}" stroke-width="2.5"/>'
    for x, y in places:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{CURVE}"/>'


def _named(scale: Scale, curve: Sequence[Point], others: Mapping[str, Point]) -> Iterator[str]:
    """Draw each point with its names where they hide nothing that is there already."""
    places = {", ".join(names): scale.at(point) for point, names in _by_place(others).items()}
    line = [scale.at(point) for point in sorted(curve)]
    taken = [_around(place, 6) for place in [*places.values(), *_between(line)]]
    top = max(sorted(curve), key=lambda point: point[1])
    for name, place in [(NAME, scale.at(top)), *places.items()]:
        box = next(box for box in _around_name(place, name) if _is_free(box, taken))
        taken.append(box)
        colour = CURVE if name == NAME else SINGLE
        if name != NAME:
            yield f'<circle cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="4.5" fill="{colour}"/>'
        yield _text((box[0], box[3] - 4), name, fill=colour)


def _by_place(others: Mapping[str, Point]) -> dict[Point, list[str]]:
    found: dict[Point, list[str]] = {}
    for name, point in others.items():
        found.setdefault(point, []).append(name)
    return found


def _around(place: Point, gap: float) -> Box:
    return place[0] - gap, place[1] - gap, place[0] + gap, place[1] + gap


def _between(line: Sequence[Point]) -> Iterator[Point]:
    """Return points along a line, close enough that no name fits between them."""
    for (x0, y0), (x1, y1) in zip(line, line[1:], strict=False):
        steps = 1 + int(max(abs(x1 - x0), abs(y1 - y0)) / 6)
        yield from ((x0 + (x1 - x0) * n / steps, y0 + (y1 - y0) * n / steps) for n in range(steps))
    yield line[-1]


def _around_name(place: Point, name: str) -> Iterator[Box]:
    """Return boxes for a name, the nearest to its point first."""
    wide = len(name) * LETTER
    for away in range(0, 400, 4):
        for left, middle in (
            (place[0] + 9, place[1] - away),
            (place[0] + 9, place[1] + away),
            (place[0] - 9 - wide, place[1] + away),
            (place[0] - wide / 2, place[1] + 15 + away),
            (place[0] - wide / 2, place[1] - 15 - away),
        ):
            yield left, middle - LINE / 2, left + wide, middle + LINE / 2


def _is_free(box: Box, taken: Sequence[Box]) -> bool:
    is_inside = box[0] > LEFT and box[2] < WIDTH and box[1] > 0 and box[3] < HEIGHT - BOTTOM
    return is_inside and not any(
        box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
        for other in taken
    )


def _line(begin: Point, end: Point, colour: str) -> str:
    x0, y0, x1, y1 = (round(value, 1) for value in (*begin, *end))
    return f'<path d="M{x0} {y0}L{x1} {y1}" stroke="{colour}"/>'


def _text(place: Point, said: str, anchor: str = "start", fill: str = INK) -> str:
    where = f'x="{place[0]:.1f}" y="{place[1]:.1f}" text-anchor="{anchor}" fill="{fill}"'
    return f"<text {where}>{escape(said)}</text>"
