"""Entries of the decision log, found by what they say: newest first, for people."""

import json
from collections.abc import Mapping
from typing import Any

from agora.domain.signing import canonical
from memory.database import Row, Rows

FIELDS = ("actor", "action", "verdict", "correlation_id")
DEPTH = 100_000
"""How many of the newest entries are looked through, at most."""
FOUND = """
SELECT seq, body, hash, signature FROM decisions,
    (SELECT least(%(before)s, coalesce(max(seq), 0) + 1) AS top FROM decisions) AS upto
WHERE seq < top AND seq >= top - %(depth)s {narrowed}
ORDER BY seq DESC LIMIT %(limit)s
"""
# An index has this; the comparison of the whole field stays beside it.
OF_A_CASE = """ AND substring(body FROM '"correlation_id":"([^"]*)"') = %(case)s"""
ONE = "SELECT seq, body, hash, signature FROM decisions WHERE seq BETWEEN %s - 1 AND %s + 1"
LAST = 2**62


async def found(
    connection: Rows,
    wanted: Mapping[str, str],
    *,
    day: str = "",
    before: int = LAST,
    limit: int = 50,
) -> list[Row]:
    """Return the newest entries with these fields, or of this day (such as 2026-11-12, UTC)."""
    given: Row = {"limit": limit, "depth": DEPTH, "before": before}
    case = wanted.get("correlation_id", "")
    narrowed, given["case"] = (OF_A_CASE if _is_plain(case) else ""), case
    likes = [_like(name, wanted[name]) for name in FIELDS if wanted.get(name)]
    likes += [f'%"at":"{_escaped(day)}%'] if day else []
    for number, like in enumerate(likes):
        narrowed += f" AND body LIKE %(like{number})s"
        given |= {f"like{number}": like}
    rows = await (await connection.execute(FOUND.format(narrowed=narrowed), given)).fetchall()
    return [_told(row) for row in rows]


async def one(connection: Rows, seq: int) -> list[Row]:
    """Return an entry between the one before and the one after it, as far as they are there."""
    rows = await (await connection.execute(ONE, [seq, seq])).fetchall()
    return [_told(row) for row in sorted(rows, key=lambda row: row["seq"])]


def _is_plain(case: str) -> bool:
    return bool(case) and canonical(case) == f'"{case}"'


def _like(name: str, value: str) -> str:
    return f"%{_escaped(canonical({name: value})[1:-1])}%"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _told(row: Row) -> Row:
    try:
        body: Any = json.loads(row["body"])
    except ValueError:
        body = {}  # somebody has changed it: verifying says so
    said = body if isinstance(body, dict) else {}
    blank = {"at": "", "actor": "", "action": "", "resource": "", "verdict": "", "reasons": []}
    kept = {"seq": row["seq"], "hash": row["hash"], "signature": row["signature"]}
    return blank | said | kept | {"body": row["body"]}
