"""The claims table: which run works on which thread. A lease on the database's clock."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from psycopg.types.json import Jsonb

from memory.database import UNFLUSHED, Row, Rows


@dataclass(frozen=True)
class Claim:
    """What a run says of itself; in a subgraph without stage and checkpoint, which are not ours."""

    thread_id: str
    stage: str
    holder: str
    checkpoint_id: str  # where it starts from
    lease: timedelta


ANNOUNCE = """
INSERT INTO claims AS held
    (thread_id, stage, holder, token, checkpoint_id, is_open, input, expires_at)
VALUES (%(thread_id)s, %(stage)s, '', nextval('claim_tokens'), '', true, %(input)s,
        clock_timestamp() + %(lease)s)
ON CONFLICT (thread_id) DO UPDATE SET
    input = EXCLUDED.input, stage = EXCLUDED.stage, expires_at = EXCLUDED.expires_at
WHERE (held.is_open OR held.expires_at < clock_timestamp()) AND held.input IS NULL
"""
# One statement: ON CONFLICT locks the row and reads its newest version, so two cannot both win.
CLAIM = f"""
WITH unflushed AS ({UNFLUSHED}), taken AS (
INSERT INTO claims AS held (thread_id, stage, holder, token, checkpoint_id, expires_at)
SELECT %(thread_id)s, %(stage)s, %(holder)s, nextval('claim_tokens'), %(checkpoint_id)s,
       clock_timestamp() + %(lease)s FROM unflushed
ON CONFLICT (thread_id) DO UPDATE SET
    token = CASE WHEN held.holder = EXCLUDED.holder THEN held.token ELSE EXCLUDED.token END,
    holder = EXCLUDED.holder,
    stage = CASE WHEN EXCLUDED.stage = '' THEN held.stage ELSE EXCLUDED.stage END,
    checkpoint_id = greatest(held.checkpoint_id, EXCLUDED.checkpoint_id),
    is_open = false,
    input = NULL,  -- begun: from here the checkpoint knows
    expires_at = EXCLUDED.expires_at
WHERE (EXCLUDED.checkpoint_id = '' OR held.checkpoint_id <= EXCLUDED.checkpoint_id)
  AND (held.holder = EXCLUDED.holder OR held.is_open OR held.expires_at < clock_timestamp())
RETURNING token
), told AS (
INSERT INTO events (correlation_id, kind, body)
SELECT %(correlation_id)s, 'stage.entered', %(told)s FROM taken
)
SELECT token FROM taken
"""
FIND = "SELECT token, stage, expires_at, is_open, checkpoint_id FROM claims WHERE thread_id = %s"
RENEW = """
UPDATE claims SET expires_at = clock_timestamp() + %s WHERE thread_id = %s AND token = %s
"""
OPEN = f"""
WITH unflushed AS ({UNFLUSHED})
UPDATE claims SET is_open = true FROM unflushed WHERE thread_id = %s AND token = %s
"""
HAND_OVER = """
UPDATE claims SET expires_at = clock_timestamp() WHERE thread_id IN (
    SELECT thread_id FROM claims WHERE thread_id = ANY(%s) AND is_open
    ORDER BY thread_id FOR UPDATE)
"""
# FOR SHARE holds off a takeover until the fenced transaction has committed.
FENCE = "SELECT FROM claims WHERE thread_id = %s AND token = %s FOR SHARE"
LEFT = """
SELECT thread_id, stage, token, input FROM claims
WHERE (expires_at < clock_timestamp() OR (is_open AND %s))
"""
ABANDONED = f"{LEFT} ORDER BY expires_at"
ABANDONED_ONE = f"{LEFT} AND thread_id = %s"
FORGET = """
DELETE FROM claims
WHERE thread_id = %s AND token = %s AND (is_open OR expires_at < clock_timestamp())
  AND input IS NULL  -- announced meanwhile: the token is still the old one
"""


async def announce(
    connection: Rows, thread_id: str, stage: str, start: Any, lease: timedelta
) -> bool:
    """Write a run down before it begins, so that it is found however early it dies.

    Return False when another run holds the thread, or was announced and has not begun.
    """
    row = {"thread_id": thread_id, "stage": stage, "input": Jsonb(start), "lease": lease}
    return (await connection.execute(ANNOUNCE, row)).rowcount == 1


async def claim(connection: Rows, wanted: Claim, correlation_id: str, told: Any) -> int | None:
    """Return the fencing token and tell the stream; None: another holds the thread, or is ahead."""
    row_of = asdict(wanted) | {"correlation_id": correlation_id, "told": Jsonb(told)}
    row = await (await connection.execute(CLAIM, row_of)).fetchone()
    connection.has_told = True
    return row["token"] if row else None


async def find(connection: Rows, thread_id: str) -> Row | None:
    """Return the claim on a thread; it changes whenever its holder shows a sign of life."""
    return await (await connection.execute(FIND, [thread_id])).fetchone()


async def renew(connection: Rows, thread_id: str, token: int, lease: timedelta) -> bool:
    """Return whether the claim was still ours, and now is for another lease."""
    return (await connection.execute(RENEW, [lease, thread_id, token])).rowcount == 1


async def leave(connection: Rows, thread_id: str, token: int) -> None:
    """Let others in before the lease ends; the row stays until somebody has seen the checkpoint."""
    await connection.execute(OPEN, [thread_id, token])


async def hand_over(connection: Rows, thread_ids: list[str]) -> None:
    """End the leases of runs that have left: whoever looks next goes on with them."""
    await connection.execute(HAND_OVER, [thread_ids])


async def is_ours(connection: Rows, thread_id: str, token: int) -> bool:
    """Return whether the token still counts, and keep it so until this transaction ends."""
    async with connection.pipeline():  # the fence comes first: BEGIN goes along with it
        fenced = await connection.execute(FENCE, [thread_id, token])
    return fenced.rowcount == 1


async def abandoned(
    connection: Rows, thread_id: str | None = None, *, with_open: bool = False
) -> list[Row]:
    """Return each claim whose lease ran out, oldest first; on demand also those left open.

    With a `thread_id` only the one of that thread.
    """
    if thread_id is None:
        return await (await connection.execute(ABANDONED, [with_open])).fetchall()
    return await (await connection.execute(ABANDONED_ONE, [with_open, thread_id])).fetchall()


async def forget(connection: Rows, thread_id: str, token: int) -> None:
    """Drop a claim whose thread needs nobody, unless someone has just taken it."""
    await connection.execute(FORGET, [thread_id, token])
