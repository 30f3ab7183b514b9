"""The quality–cost curve as an SVG picture."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

Point = tuple[float, float]
WIDTH, HEIGHT, EDGE = 640, 400, 60
STYLE = 'font-family="sans-serif" font-size="13" fill="#333"'


def draw(path: Path, curve: Sequence[Point], others: Mapping[str, Point]) -> None:
    """Write the curve and other points, each (m$ per task, accuracy)."""
    points = [*curve, *others.values()]
    most = max(cost for cost, _ in points) * 1.1
    low, high = min(right for _, right in points) - 0.02, max(right for _, right in points) + 0.02

    def at(point: Point) -> Point:
        x = EDGE + point[0] / most * (WIDTH - 2 * EDGE)
        return x, HEIGHT - EDGE - (point[1] - low) / (high - low) * (HEIGHT - 2 * EDGE)

    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, sorted(curve)))
    parts = [f'<polyline points="{line}" fill="none" stroke="#1f6feb" stroke-width="2"/>']
    for name, point in others.items():
        x, y = at(point)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#c33"/>')
        parts.append(f'<text x="{x - 6:.1f}" y="{y + 18:.1f}" {STYLE}>{escape(name)}</text>')
    path.write_text(_page(parts, most, low, high), "utf-8")


def _page(parts: Sequence[str], most: float, low: float, high: float) -> str:
    bottom, right = HEIGHT - EDGE, WIDTH - EDGE
    axes = f"M{EDGE} {EDGE // 2}V{bottom}H{right}"
    marks = [
        f'<path d="{axes}" fill="none" stroke="#333"/>',
        f'<text x="{right - 110}" y="{bottom + 36}" {STYLE}>m$ per task, 0 to {most:.2f}</text>',
        f'<text x="8" y="{EDGE // 2 - 8}" {STYLE}>accuracy, {low:.2f} to {high:.2f}</text>',
    ]
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    inside = "\n".join([*marks, *parts])
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n{inside}\n</svg>\n'
