"""The good_calls table: recorded calls that gave the right result, to be replayed on a change."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from psycopg.types.json import Jsonb

from agora.domain.contracts import Json, Replay
from agora.domain.signing import canonical
from memory.database import Row, Rows

# The same arguments with another result: the tool is not a function of them, or has become better.
KEEP = """
INSERT INTO good_calls AS known
    (workspace, path, tool, digest, arguments, result, latency_s, at)
VALUES (%(workspace)s, %(path)s, %(tool)s, %(digest)s, %(arguments)s, %(result)s,
        %(latency_s)s, %(at)s)
ON CONFLICT (workspace, path, tool, digest) DO UPDATE SET
    times = known.times + 1, at = EXCLUDED.at, latency_s = EXCLUDED.latency_s,
    is_stable = known.is_stable AND known.result IS NOT DISTINCT FROM EXCLUDED.result
"""
DROP = """
DELETE FROM good_calls WHERE (workspace, path, tool, digest) = (%s, %s, %s, %s)
"""
REPLAYS = """
SELECT tool, path, arguments, result, latency_s FROM good_calls
WHERE workspace = %(workspace)s AND path = ANY(%(paths)s) AND is_stable
ORDER BY times DESC, at DESC, digest LIMIT %(limit)s
"""
# Of each tool the newest stay.
SUPERFLUOUS = """
SELECT ctid FROM (
    SELECT ctid, row_number() OVER (PARTITION BY path, tool ORDER BY at DESC) AS place
    FROM good_calls WHERE workspace = %s
) AS numbered WHERE place > %s
"""
COUNT = f"SELECT count(*) AS calls FROM ({SUPERFLUOUS}) AS old"
PRUNE = f"DELETE FROM good_calls WHERE ctid = ANY(ARRAY({SUPERFLUOUS}))"


def digest_of(arguments: Json) -> str:
    """Return what names these arguments."""
    return sha256(canonical(arguments).encode()).hexdigest()


async def keep(connection: Rows, call: Row, at: datetime) -> None:
    """Keep a good call: workspace, path, tool, arguments, result, latency_s."""
    row = call | {"digest": digest_of(call["arguments"]), "at": at}
    row |= {"arguments": Jsonb(call["arguments"]), "result": Jsonb(call["result"])}
    await connection.execute(KEEP, row)


async def drop(connection: Rows, workspace: str, path: str, tool: str, arguments: Json) -> None:
    """Forget a call that was judged to be wrong after all."""
    await connection.execute(DROP, [workspace, path, tool, digest_of(arguments)])


async def replays(
    connection: Rows, workspace: str, paths: Sequence[str], limit: int
) -> list[Replay]:
    """Return calls of the tools of these files, the most frequent first."""
    given = {"workspace": workspace, "paths": list(paths), "limit": limit}
    rows = await (await connection.execute(REPLAYS, given)).fetchall()
    return [Replay.model_validate(row) for row in rows]


async def prune(connection: Rows, workspace: str, kept: int, *, dry_run: bool) -> int:
    """Let all but the newest of each tool go; return how many went, or would."""
    if dry_run:
        row = await (await connection.execute(COUNT, [workspace, kept])).fetchone()
        return int(row["calls"]) if row else 0
    return (await connection.execute(PRUNE, [workspace, kept])).rowcount
