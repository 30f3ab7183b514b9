"""The decisions table: what the policy and people said, each chained to the last and signed."""

import fcntl
import json
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agora.domain.signing import Signer, canonical, is_signed, link
from memory.database import UNFLUSHED, Row, Rows

# The lock comes first, in a statement of its own: the next one must see the head it waited for.
LOCK = "SELECT pg_advisory_xact_lock(2027)"
LOCK_UNFLUSHED = (
    f"WITH unflushed AS ({UNFLUSHED}) SELECT pg_advisory_xact_lock(2027) FROM unflushed"
)
HEAD = """
SELECT seq, hash,
       to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at
FROM (SELECT 0 AS seq, '' AS hash UNION ALL
      (SELECT seq, hash FROM decisions ORDER BY seq DESC LIMIT 1)) AS known
ORDER BY seq DESC LIMIT 1
"""
APPEND = "INSERT INTO decisions (seq, body, hash, signature) VALUES (%s, %s, %s, %s)"
# After the newest entry that a process knows, if it still is, and nobody is about to add one.
EXTEND = f"""
WITH unflushed AS ({UNFLUSHED})
INSERT INTO decisions (seq, body, hash, signature)
SELECT %(seq)s, %(body)s, %(hash)s, %(signature)s FROM unflushed
WHERE pg_try_advisory_xact_lock(2027)
  AND (SELECT hash FROM decisions ORDER BY seq DESC LIMIT 1) = %(previous)s
ON CONFLICT DO NOTHING
"""
SOME = "SELECT seq, body, hash, signature FROM decisions WHERE seq > %s ORDER BY seq LIMIT 1000"
NEWEST = """
SELECT * FROM (SELECT seq, body, hash FROM decisions ORDER BY seq DESC LIMIT %s) AS newest
ORDER BY seq
"""
ROTATE = "rotate_key"
ROTATED = f"""
SELECT 1 FROM decisions WHERE body LIKE '%%"action":"{ROTATE}"%%' AND body LIKE %s LIMIT 1
"""
AT = "%Y-%m-%dT%H:%M:%S.%f%z"
HEAD_SIZE = 512  # bytes; always as many, so that one write replaces the head as a whole


@dataclass(frozen=True)
class Finding:
    """What a look at the whole log found; `first_bad` is a sequence number."""

    entries: int
    first_bad: int | None = None
    reason: str = ""


@dataclass(eq=False)
class Decisions:
    """The log, and its newest entry kept once more outside of the database."""

    signer: Signer
    _newest: Row | None = field(default=None, init=False)  # that this process knows of
    _ahead_s: float = field(default=0.0, init=False)  # the database's clock, of ours

    async def extend(self, connection: Rows, decision: dict[str, Any]) -> Row | None:
        """Add an entry in one statement, which lasts with the next transaction that does.

        None: this process does not know the newest entry; `append` does it.
        """
        if self._newest is None or self.signer.next_path.exists():
            return None
        at = datetime.fromtimestamp(time.time() + self._ahead_s, UTC)
        head = self._newest | {"at": f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"}
        row, body = self._signed(head, decision)
        told = row | {"body": body, "previous": head["hash"]}
        done = await connection.execute(EXTEND.encode(), told)
        return row if done.rowcount == 1 else None

    def remember(self, row: Row) -> None:
        """Take a committed entry for the newest; where it is not, `extend` adds nothing."""
        self._newest = {"seq": row["seq"], "hash": row["hash"]}

    async def append(
        self, connection: Rows, decision: dict[str, Any], *, is_followed: bool = False
    ) -> Row:
        """Add an entry at the head; keep the transaction short, everybody waits for it.

        What `is_followed` by a lasting transaction goes to the disk along with that one.
        """
        head = await self._hold(connection, LOCK_UNFLUSHED if is_followed else LOCK)
        return await self._add(connection, head, decision)

    async def _hold(self, connection: Rows, lock: str = LOCK) -> Row:
        """Return the newest entry; nobody appends another one before the transaction ends."""
        async with connection.pipeline():
            await connection.execute(lock.encode())
            found = await connection.execute(HEAD)
        head = await found.fetchone()
        assert head is not None
        self._ahead_s = datetime.strptime(head["at"], AT).timestamp() - time.time()
        if self.signer.next_path.exists():
            await self._finish_rotation(connection)
        return head

    async def _add(self, connection: Rows, head: Row, decision: dict[str, Any]) -> Row:
        row, body = self._signed(head, decision)
        await connection.execute(APPEND, [row["seq"], body, row["hash"], row["signature"]])
        return row

    def _signed(self, head: Row, decision: dict[str, Any]) -> tuple[Row, str]:
        key = self.signer.key
        row: Row = {"seq": head["seq"] + 1}
        body = canonical(decision | row | {"at": head["at"], "key": key.public})
        row |= {"hash": link(head["hash"], body)}
        return row | {"signature": key.sign(row["hash"])}, body

    async def rotate(self, connection: Rows, by: str, reason: str) -> Row:
        """Append that another key signs from the next entry on; once committed, `take_over`."""
        head = await self._hold(connection)
        entry = {"actor": by, "action": ROTATE, "resource": self.signer.prepare()}
        return await self._add(connection, head, entry | {"verdict": "accept", "reasons": [reason]})

    async def _finish_rotation(self, connection: Rows) -> None:
        """Do what a process has left that died in a rotation; we hold the lock that it held."""
        public = self.signer.next_public()
        found = await connection.execute(ROTATED, [f'%"resource":"{public}"%'])
        if await found.fetchone():
            self.signer.take_over()
        else:
            self.signer.next_path.unlink(missing_ok=True)

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
        keys = Keys({*self.signer.known(), self.signer.public})
        seq, previous = 0, ""
        async for row in _all(connection):
            if problem := problem_of(row, seq, previous, keys):
                return Finding(seq, seq + 1, problem)
            if row["seq"] == head.get("seq") and row["hash"] != head["hash"]:
                said = "it is not the entry that was kept outside of the database"
                return Finding(seq, seq + 1, said)
            seq, previous = row["seq"], row["hash"]
        if head.get("seq", 0) > seq:
            return Finding(seq, seq + 1, f"entries {seq + 1} to {head['seq']} are gone")
        return Finding(seq)


@dataclass
class Keys:
    """The public keys that may sign, and since which entry others may no longer."""

    known: set[str]
    retired: dict[str, int] = field(default_factory=dict)

    def problem(self, body: Row, row: Row) -> str:
        """Return what is wrong with the signature of an entry; "" if nothing is."""
        key = str(body.get("key"))
        if not is_signed(key, row["hash"], row["signature"]):
            return "its signature is not ours"
        if key not in self.known:
            return f"its signature is not ours: `agora log accept {key}` if it is"
        if key in self.retired:
            return f"its key was put away by entry {self.retired[key]}"
        if body.get("action") == ROTATE:
            self.known.add(body["resource"])
            self.retired[key] = row["seq"]
        return ""


def problem_of(row: Row, seq: int, previous: str, keys: Keys) -> str:
    """Return what is wrong with the entry that follows number `seq`; "" if nothing is."""
    if row["seq"] != seq + 1:
        return f"entry {seq + 1} is gone"
    if row["hash"] != link(previous, row["body"]):
        return "its content or its place in the chain was changed"
    body = _parsed(row["body"].encode())
    if problem := keys.problem(body, row):
        return problem
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
