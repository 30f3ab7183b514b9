"""Words: how pages say money, shares, times and lengths. Filters of the templates."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from agora.domain.contracts import Json
from web import prose

NOTHING = "–"


def now() -> datetime:
    """Return this moment where the server stands."""
    return datetime.now(UTC).astimezone()


def money(usd: float | None) -> str:
    """Return USD from 10 cents on, cents below: both with two digits or what it takes."""
    if usd is None:
        return NOTHING
    if abs(usd) >= 0.1 or usd == 0:
        return f"{usd:,.2f} USD"
    return f"{cents(usd)} ¢"


def cents(usd: float) -> str:
    """Return an amount in US cents, without the unit."""
    value = 100 * usd
    return f"{value:.2f}" if value == 0 or abs(value) >= 0.01 else f"{value:.4f}"


def number(value: float | None) -> str:
    """Return a number with its thousands set apart."""
    return NOTHING if value is None else f"{value:,.0f}"


def share(value: float | None) -> str:
    """Return a share in [0, 1] in per cent."""
    return NOTHING if value is None else f"{100 * value:.1f} %".replace(".0 %", " %")


def chance(value: float | None) -> str:
    """Return a chance with two digits."""
    return NOTHING if value is None else f"{value:.2f}"


def duration(seconds: float | None) -> str:
    """Return how long something took, with the unit that suits it."""
    if seconds is None:
        return NOTHING
    if seconds < 0.1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 60:
        return f"{minutes:.0f} min"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


def clock(at: datetime) -> str:
    """Return the time of day."""
    return at.astimezone().strftime("%H:%M:%S")


def day(at: date) -> str:
    """Return the day, such as 12 Nov."""
    at = at.astimezone() if isinstance(at, datetime) else at
    return f"{at.day} {at:%b}"


def moment(at: datetime | None) -> str:
    """Return a time as one says it today: the hour, or the day and the hour."""
    if at is None:
        return NOTHING
    at = at.astimezone()
    if at.date() == now().date():
        return at.strftime("%H:%M")
    year = f" {at.year}" if at.year != now().year else ""
    return f"{day(at)}{year}, {at:%H:%M}"


def since(at: datetime) -> str:
    """Return how long ago something was."""
    return duration(max(0.0, (now() - at).total_seconds()))


def short(text: str, length: int = 160) -> str:
    """Return the beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def bidder(one: Mapping[str, Any]) -> str:
    """Return how standings know an expert on its model."""
    return f"{one['expert']}@{one['model']}" if one.get("model") else str(one["expert"] or NOTHING)


def parsed(at: str) -> datetime:
    """Return the time that a record says in ISO 8601."""
    return datetime.fromisoformat(at)


def count(number_of: int, one: str, many: str = "") -> str:
    """Return a number with its noun."""
    return f"{number_of:,} {one if number_of == 1 else many or f'{one}s'}"


def tone(status: str) -> Json:
    """Return the shape and the class in which a state is shown: never by colour alone."""
    kind = next((kind for kind, words in TONES.items() if status in words), "off")
    return {"icon": kind, "css": CLASSES[kind]}


TONES: Mapping[str, list[str]] = {
    "well": (
        "answered approved applied accept allow done fixed well active hybrid promoted production "
        "resolved mended promote ok good"
    ).split(),
    "wait": "waiting proposed half_open degraded ask".split(),
    "fail": "failed refused rejected reverted refuse deny wrong drop dropped down bad".split(),
    "flag": "flag flagged firing".split(),
    "run": "open running claimed continue trial isolated".split(),
}
CLASSES = {"well": "well", "wait": "warn", "fail": "warn", "flag": "warn", "run": "well", "off": ""}

FILTERS: dict[str, Callable[..., Any]] = {
    "money": money,
    "cents": cents,
    "number": number,
    "share": share,
    "chance": chance,
    "duration": duration,
    "clock": clock,
    "day": day,
    "moment": moment,
    "since": since,
    "short": short,
    "bidder": bidder,
    "parsed": parsed,
    "tone": tone,
    "count": count,
    "pieces": prose.pieces,
}
