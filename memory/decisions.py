"""The decisions table: what the policy and people said, each chained to the last and signed."""

import fcntl
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agora.domain.signing import Signer, canonical, is_signed, link
from memory.database import Row, Rows

# The lock comes first, in a statement of its own: the next one must see the head it waited for.
LOCK = "SELECT pg_advisory_xact_lock(2027)"
HEAD = "SELECT seq, hash, signature FROM decisions ORDER BY seq DESC LIMIT 1"
APPEND = "INSERT INTO decisions (seq, body, hash, signature) VALUES (%s, %s, %s, %s)"
SOME = "SELECT seq, body, hash, signature FROM decisions WHERE seq > %s ORDER BY seq LIMIT 1000"
NEWEST = """
SELECT * FROM (SELECT seq, body, hash FROM decisions ORDER BY seq DESC LIMIT %s) AS newest
ORDER BY seq
"""
HEAD_SIZE = 512  # bytes; always as many, so that one write replaces the head as a whole
NOW = """
SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at
"""


@dataclass(frozen=True)
class Finding:
    """What a look at the whole log found; `first_bad` is a sequence number."""

    entries: int
    first_bad: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Decisions:
    """The log, and its newest entry kept once more outside of the database."""

    signer: Signer

    async def append(self, connection: Rows, decision: dict[str, Any]) -> Row:
        """Add an entry at the head; keep the transaction short, everybody waits for it."""
        async with connection.pipeline():
            await connection.execute(LOCK)
            heads, times = await connection.execute(HEAD), await connection.execute(NOW)
        head = await heads.fetchone() or {"seq": 0, "hash": ""}
        now = await times.fetchone()
        assert now is not None
        row: Row = {"seq": head["seq"] + 1}
        body = canonical(decision | row | now | {"key": self.signer.public})
        row |= {"hash": link(head["hash"], body)}
        row |= {"signature": self.signer.sign(row["hash"])}
        await connection.execute(APPEND, [row["seq"], body, row["hash"], row["signature"]])
        return row

    def keep_head(self, row: Row) -> None:
        """Write the newest entry down outside of the database: a cut tail is seen by it."""
        path = self.signer.folder / "decisions.head"
        head = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(head, fcntl.LOCK_EX)  # until it is closed
            if _parsed(os.pread(head, HEAD_SIZE, 0)).get("seq", 0) < row["seq"]:
                os.pwrite(head, canonical(row).ljust(HEAD_SIZE).encode(), 0)
        finally:
            os.close(head)

    async def verify(self, connection: Rows) -> Finding:
        """Look at every entry: does it follow from the one before, and did we sign it?"""
        head = _read_head(self.signer.folder / "decisions.head")
        seq, previous = 0, ""
        async for row in _all(connection):
            if problem := self._problem(row, seq, previous, head):
                return Finding(seq, seq + 1, problem)
            seq, previous = row["seq"], row["hash"]
        if head.get("seq", 0) > seq:
            return Finding(seq, seq + 1, f"entries {seq + 1} to {head['seq']} are gone")
        return Finding(seq)

    def _problem(self, row: Row, seq: int, previous: str, head: Row) -> str:
        if row["seq"] != seq + 1:
            return f"entry {seq + 1} is gone"
        if row["hash"] != link(previous, row["body"]):
            return "its content or its place in the chain was changed"
        if not is_signed(self.signer.public, row["hash"], row["signature"]):
            return "its signature is not ours"
        if row["seq"] == head.get("seq") and row["hash"] != head["hash"]:
            return "it is not the entry that was kept outside of the database"
        body = json.loads(row["body"])
        return "" if body.get("seq") == row["seq"] else "its number was changed"


async def hold(connection: Rows) -> None:
    """Let nobody else append until the transaction ends."""
    await connection.execute(LOCK)


async def newest(connection: Rows, limit: int) -> list[Row]:
    """Return the newest entries, oldest first: `seq`, `hash` and the fields of the decision."""
    rows = await (await connection.execute(NEWEST, [limit])).fetchall()
    return [json.loads(row["body"]) | {"hash": row["hash"]} for row in rows]


async def export(connection: Rows) -> AsyncIterator[Row]:
    """Yield every entry as it stands: `seq`, `body`, `hash`, `signature`."""
    async for row in _all(connection):
        yield row


async def _all(connection: Rows) -> AsyncIterator[Row]:
    seq = 0
    while rows := await (await connection.execute(SOME, [seq])).fetchall():
        for row in rows:
            yield row
        seq = rows[-1]["seq"]


def _read_head(path: Path) -> Row:
    try:
        head = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return {}
    try:
        fcntl.flock(head, fcntl.LOCK_SH)
        return _parsed(os.pread(head, HEAD_SIZE, 0))
    finally:
        os.close(head)


def _parsed(head: bytes) -> Row:
    try:
        row = json.loads(head)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}
