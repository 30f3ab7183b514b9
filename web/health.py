"""Health: the parts of the house, one word for each kind, from their newest beats."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from agora.domain.contracts import Json
from agora.domain.health import Status, is_missed, worst
from memory import beats
from memory.database import Row, Rows

NAMES = {
    "store": "Stores",
    "scheduler": "Jobs",
    "process": "Processes",
    "router": "Auction",
    "model": "Models",
    "tools": "Sandbox",
    "system": "Machine",
}
WORDS: dict[Status, tuple[str, str]] = {
    "pass": ("well", "well"),
    "warn": ("strained", "flag"),
    "fail": ("fails", "failed"),
}


async def parts(connection: Rows, now: datetime) -> list[Json]:
    """Return each kind of part with a word and a remark; none where nobody looks at them."""
    found: dict[str, list[Row]] = {}
    for beat in await beats.every(connection):
        found.setdefault(beat["kind"], []).append(beat)
    return [_told(kind, found[kind], now) for kind in NAMES if kind in found]


def _told(kind: str, rows: Sequence[Row], now: datetime) -> Json:
    statuses: list[Any] = ["fail" if is_missed(row, now) else row["status"] for row in rows]
    word, status = WORDS[worst(statuses)]
    bad = [row for row, one in zip(rows, statuses, strict=True) if one != "pass"]
    remark = "; ".join(_said(row, now) for row in bad) or f"{len(rows)} looked at"
    return {"name": NAMES[kind], "word": word, "status": status, "remark": remark}


def _said(row: Row, now: datetime) -> str:
    name = row["name"].partition(":")[2]
    return f"{name}: no sign of life" if is_missed(row, now) else f"{name}: {row['said']}"
