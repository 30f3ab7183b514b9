"""The prompts and channels tables: versions that never change, and what points at them."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from psycopg.types.json import Jsonb

from agora.domain.contracts import Json
from memory.database import Row, Rows

PRODUCTION = "SELECT expert, version FROM channels WHERE channel = 'production'"
CHANNELS = "SELECT expert, channel, version FROM channels ORDER BY expert, channel"
FIELDS = "expert, version, text, digest, parent, author, reason, created_at"
FIND = f"SELECT {FIELDS} FROM prompts WHERE expert = %s AND version = %s"
TEXTS = """
SELECT expert, version, text, digest FROM prompts
WHERE (expert, version) IN (SELECT * FROM unnest(%s::text[], %s::int[]))
"""
VERSIONS = f"SELECT {FIELDS} FROM prompts WHERE expert = %s ORDER BY version"
KNOWN = "SELECT version FROM prompts WHERE expert = %s AND digest = %s"
ADD = """
INSERT INTO prompts (expert, version, text, digest, parent, author, reason)
SELECT %(expert)s, coalesce(max(version), 0) + 1, %(text)s, %(digest)s, %(parent)s, %(author)s,
       %(reason)s
FROM prompts WHERE expert = %(expert)s
ON CONFLICT (expert, digest) DO NOTHING RETURNING version
"""
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('prompts ' || %s, 0))"
POINT = """
INSERT INTO channels (expert, channel, version) VALUES (%s, %s, %s)
ON CONFLICT (expert, channel) DO UPDATE SET version = EXCLUDED.version
"""
SWITCH = """
UPDATE channels SET version = %(after)s
WHERE expert = %(expert)s AND channel = 'production' AND version = %(before)s
"""
CLEAR = "DELETE FROM channels WHERE expert = %s AND channel = ANY(%s)"
POINTS = "SELECT version FROM channels WHERE expert = %s AND channel = %s"
NOTE = """
INSERT INTO prompt_moves (expert, kind, before, after, by, reason, figures)
VALUES (%(expert)s, %(kind)s, %(before)s, %(after)s, %(by)s, %(reason)s, %(figures)s)
"""
MOVES = "SELECT kind, before, after, by, reason, figures, at FROM prompt_moves WHERE expert = %s"


def digest_of(text: str) -> str:
    """Return the hash that a version is kept under."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


async def production(connection: Rows) -> dict[str, int]:
    """Return the version in production of every expert."""
    rows = await (await connection.execute(PRODUCTION)).fetchall()
    return {row["expert"]: row["version"] for row in rows}


async def standing(connection: Rows) -> tuple[dict[str, int], frozenset[str]]:
    """Return what is in production, and of whom there is something to go back to."""
    rows = await (await connection.execute(CHANNELS)).fetchall()
    now = {row["expert"]: row["version"] for row in rows if row["channel"] == "production"}
    return now, frozenset(row["expert"] for row in rows if row["channel"] == "previous")


async def channels(connection: Rows) -> dict[str, dict[str, int]]:
    """Return what every channel of every expert points at."""
    found: dict[str, dict[str, int]] = {}
    for row in await (await connection.execute(CHANNELS)).fetchall():
        found.setdefault(row["expert"], {})[row["channel"]] = row["version"]
    return found


async def find(connection: Rows, expert: str, version: int) -> Row | None:
    """Return a version, or None."""
    return await (await connection.execute(FIND, [expert, version])).fetchone()


async def texts(connection: Rows, wanted: Mapping[str, int]) -> list[Row]:
    """Return the texts of these versions, with their hashes."""
    given = [list(wanted), list(wanted.values())]
    return await (await connection.execute(TEXTS, given)).fetchall()


async def versions(connection: Rows, expert: str) -> list[Row]:
    """Return all versions of an expert's prompt, oldest first."""
    return await (await connection.execute(VERSIONS, [expert])).fetchall()


async def moves(connection: Rows, expert: str) -> list[Row]:
    """Return how the channels of an expert were moved, oldest first."""
    return await (await connection.execute(f"{MOVES} ORDER BY id", [expert])).fetchall()


async def add(
    connection: Rows, expert: str, text: str, *, parent: int | None, author: str, reason: str
) -> int:
    """Keep a text as the next version, or find the version that it is already; return its number.

    One process numbers at a time: the transaction holds a lock on the expert until it ends.
    """
    await connection.execute(LOCK, [expert])
    row = {"expert": expert, "text": text, "digest": digest_of(text), "parent": parent}
    row |= {"author": author, "reason": reason}
    added = await (await connection.execute(ADD, row)).fetchone()
    if added is None:
        added = await (await connection.execute(KNOWN, [expert, row["digest"]])).fetchone()
    assert added is not None
    return int(added["version"])


async def point(connection: Rows, expert: str, channel: str, version: int) -> None:
    """Let a channel point at a version."""
    await connection.execute(POINT, [expert, channel, version])


async def pointed(connection: Rows, expert: str, channel: str) -> int | None:
    """Return what a channel points at, or None."""
    row = await (await connection.execute(POINTS, [expert, channel])).fetchone()
    return int(row["version"]) if row else None


async def switch(connection: Rows, expert: str, before: int, after: int) -> bool:
    """Move production if it still points at `before`; return whether it did."""
    row = {"expert": expert, "before": before, "after": after}
    return (await connection.execute(SWITCH, row)).rowcount == 1


async def clear(connection: Rows, expert: str, *names: str) -> None:
    """Let channels point at nothing."""
    await connection.execute(CLEAR, [expert, list(names)])


async def note(
    connection: Rows,
    expert: str,
    kind: str,
    *,
    before: int | None,
    after: int | None,
    by: str,
    reason: str,
    figures: Json | None = None,
) -> None:
    """Write down how a channel was moved."""
    row: Row = {"expert": expert, "kind": kind, "before": before, "after": after}
    row |= {"by": by, "reason": reason, "figures": Jsonb(figures or {})}
    await connection.execute(NOTE, row)


def numbered(rows: Sequence[Row]) -> dict[int, Row]:
    """Return versions by their numbers."""
    return {row["version"]: row for row in rows}
