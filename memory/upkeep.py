"""What may go: for each table the rows that nobody needs any more, found and removed in batches.

A batch is one statement and so one transaction, which bears repeating: killed anywhere, the next
upkeep goes on with what is left. Rows are named by their place (ctid), so that one which somebody
has changed meanwhile stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from agora.domain.recollection import LOW
from memory import events
from memory.database import Row, Rows

BATCH = 5000
LOCK = 2029


@dataclass(frozen=True)
class Freed:
    """How many rows have gone, or would go, and how many bytes they hold."""

    rows: int = 0
    bytes: int = 0

    def __add__(self, other: "Freed") -> "Freed":
        """Return both together."""
        return Freed(self.rows + other.rows, self.bytes + other.bytes)


@dataclass(frozen=True)
class Sweep:
    """The rows of a table that may go: a query of their place and size."""

    table: str
    doomed: str


# A group of consumers that nobody has read for as long as events are kept does not hold them up.
CURSORS = Sweep(
    "cursors",
    """SELECT one.ctid, 64 AS bytes FROM cursors AS one
    WHERE expires_at < clock_timestamp() - %(stream)s""",
)
# What a fold reads stays, so that it can be computed again; what a group has yet to read, too.
EVENTS = Sweep(
    "events",
    """SELECT one.ctid, 80 + pg_column_size(one.body) AS bytes FROM events AS one
    WHERE one.at < clock_timestamp() - %(stream)s AND one.channel = ''
      AND NOT one.kind = ANY(%(kept)s)
      AND NOT EXISTS (SELECT FROM folds WHERE one.kind = ANY(folds.kinds))
      AND NOT EXISTS (SELECT FROM cursors WHERE (cursors.xid, cursors.id) < (one.xid, one.id))""",
)
CHANNELS = Sweep(
    "events",
    f"""SELECT one.ctid, 80 + pg_column_size(one.body) AS bytes FROM events AS one
    WHERE {events.OVER}""",
)
PULSES = Sweep(
    "pulses",
    """SELECT one.ctid, pg_column_size(one.sources) + pg_column_size(one.text) AS bytes
    FROM pulses AS one WHERE one.at < clock_timestamp() - %(stream)s
      AND EXISTS (SELECT FROM pulses AS later
                  WHERE later.id > one.id AND later.tenant = one.tenant)""",
)
ANSWERS = Sweep(
    "answers",
    """SELECT one.ctid, 100 + pg_column_size(one.outcome) AS bytes FROM answers AS one
    WHERE one.expires_at < clock_timestamp()""",
)
NEWS = Sweep(
    "news",
    """SELECT one.ctid, pg_column_size(one.*) AS bytes FROM news AS one
    WHERE one.seen_at < clock_timestamp() - %(news)s""",
)
# Those that say the same as others are found only while they are compared.
MEMORIES = Sweep(
    "memories",
    f"""SELECT one.ctid, pg_column_size(one.*) AS bytes FROM memories AS one
    WHERE one.expires_at < clock_timestamp() OR (NOT one.is_archived AND one.quality < {LOW})""",
)
# A run that holds its thread, or was announced, may be writing: its rows are left alone.
IDLE = """NOT EXISTS (SELECT FROM claims WHERE claims.thread_id = one.thread_id
                       AND claims.expires_at > clock_timestamp())"""


def _past(point: str) -> str:
    """Return the condition for a checkpoint that no run can go on from.

    Ids grow with time: the newest one of each namespace is what a run goes on from, and a
    subgraph's are over once its graph has gone on. Those with deltas rest on their ancestors.
    """
    return f"""(({point}.checkpoint->>'ts')::timestamptz < clock_timestamp() - %(history)s
      AND NOT {point}.metadata ?| ARRAY['counters_since_delta_snapshot', 'delta_writes_versioned']
      AND EXISTS (SELECT FROM checkpoints AS later WHERE later.thread_id = {point}.thread_id
                  AND (later.checkpoint_ns = {point}.checkpoint_ns
                       OR later.checkpoint_ns = '' AND {point}.checkpoint_ns LIKE '%%:%%')
                  AND later.checkpoint_id > {point}.checkpoint_id))"""


CHECKPOINTS = Sweep(
    "checkpoints",
    f"""SELECT one.ctid,
        100 + pg_column_size(one.checkpoint) + pg_column_size(one.metadata) AS bytes
    FROM checkpoints AS one WHERE {IDLE} AND {_past("one")}""",
)
# Writes may come before their checkpoint is there: only those that are older than one may go.
WRITES = Sweep(
    "checkpoint_writes",
    f"""SELECT one.ctid, 100 + pg_column_size(one.blob) AS bytes FROM checkpoint_writes AS one
    WHERE {IDLE}
      AND NOT EXISTS (SELECT FROM checkpoints AS kept WHERE kept.thread_id = one.thread_id
                      AND kept.checkpoint_ns = one.checkpoint_ns
                      AND kept.checkpoint_id = one.checkpoint_id AND NOT {_past("kept")})
      AND EXISTS (SELECT FROM checkpoints AS later WHERE later.thread_id = one.thread_id
                  AND later.checkpoint_ns IN (one.checkpoint_ns, '')
                  AND later.checkpoint_id > one.checkpoint_id)""",
)
# The same for values: versions grow, and what the newest checkpoint has passed is not to come.
BLOBS = Sweep(
    "checkpoint_blobs",
    f"""SELECT one.ctid, 100 + coalesce(pg_column_size(one.blob), 0) AS bytes
    FROM checkpoint_blobs AS one
    WHERE {IDLE}
      AND NOT EXISTS (SELECT FROM checkpoints AS kept WHERE kept.thread_id = one.thread_id
                      AND kept.checkpoint_ns = one.checkpoint_ns
                      AND kept.checkpoint->'channel_versions'->>one.channel = one.version
                      AND NOT {_past("kept")})
      AND (EXISTS (SELECT FROM checkpoints AS later WHERE later.thread_id = one.thread_id
                   AND later.checkpoint_ns = one.checkpoint_ns
                   AND later.checkpoint->'channel_versions'->>one.channel > one.version)
        OR one.checkpoint_ns LIKE '%%:%%'
           AND EXISTS (SELECT FROM checkpoints AS root
                       WHERE root.thread_id = one.thread_id AND root.checkpoint_ns = '')
           AND NOT EXISTS (SELECT FROM checkpoints AS own WHERE own.thread_id = one.thread_id
                           AND own.checkpoint_ns = one.checkpoint_ns AND NOT {_past("own")}))""",
)
# An act is what a repeated run finds: it may go only with a case that is known to be over.
ACTS = Sweep(
    "acts",
    """SELECT one.ctid, 200 + coalesce(pg_column_size(one.result), 0) AS bytes FROM acts AS one
    WHERE one.status <> 'open' AND one.ended_at < clock_timestamp() - %(acts)s
      AND (one.case_id LIKE 'pulse-%%'
        OR EXISTS (SELECT FROM tasks WHERE tasks.id = one.case_id AND tasks.status <> 'open')
        OR EXISTS (SELECT FROM changes WHERE changes.case_id = one.case_id)
           AND NOT EXISTS (SELECT FROM changes WHERE changes.case_id = one.case_id
                           AND changes.status IN ('proposed', 'waiting', 'approved')))""",
)
JOBS = Sweep(
    "procrastinate_jobs",
    """SELECT one.ctid, 200 + pg_column_size(one.args) AS bytes FROM procrastinate_jobs AS one
    WHERE one.status IN ('succeeded', 'failed', 'cancelled', 'aborted')
      AND NOT EXISTS (SELECT FROM procrastinate_events AS told WHERE told.job_id = one.id
                      AND told.at > clock_timestamp() - %(stream)s)""",
)
SWEEPS: Mapping[str, Sweep] = {
    "groups of consumers": CURSORS,
    "events": EVENTS,
    "temporary channels": CHANNELS,
    "pulses": PULSES,
    "checkpoints": CHECKPOINTS,
    "checkpoint writes": WRITES,
    "checkpoint values": BLOBS,
    "acts": ACTS,
    "jobs": JOBS,
}
COUNT = (
    "SELECT count(*) AS rows, coalesce(sum(bytes), 0)::bigint AS bytes FROM ({doomed}) AS doomed"
)
REMOVE = f"""
WITH doomed AS ({{doomed}} LIMIT {BATCH}), gone AS (
    DELETE FROM {{table}} AS one USING doomed WHERE one.ctid = doomed.ctid
    RETURNING one.*, doomed.bytes
) {{and_then}} SELECT count(*) AS rows, coalesce(sum(bytes), 0)::bigint AS bytes FROM gone
"""
# In the same statement: an act is in the ledger or in the totals, never in both or none.
TOTAL = """, summed AS (
    INSERT INTO act_totals AS known (day, kind, subject, actor, status, acts, cost_usd, tokens)
    SELECT (ended_at AT TIME ZONE 'UTC')::date, kind, subject, actor, status,
           count(*), sum(cost_usd), sum(tokens)
    FROM gone GROUP BY 1, 2, 3, 4, 5
    ON CONFLICT (day, kind, subject, actor, status) DO UPDATE SET acts = known.acts + EXCLUDED.acts,
        cost_usd = known.cost_usd + EXCLUDED.cost_usd, tokens = known.tokens + EXCLUDED.tokens
)"""
TRY = f"SELECT pg_try_advisory_lock({LOCK}) AS is_ours"
UNLOCK = f"SELECT pg_advisory_unlock({LOCK})"
# As the server's own would, but now: a fifth of a table is dead, or a good deal of it.
WORTH = """
SELECT relname AS name FROM pg_stat_user_tables
WHERE relname = ANY(%s) AND (n_dead_tup > 0.2 * n_live_tup OR n_dead_tup > 5000)
"""
KEEP = "INSERT INTO upkeeps (report) VALUES (%s)"
IS_DUE = """
SELECT NOT EXISTS (SELECT FROM upkeeps WHERE at > clock_timestamp() - %s) AS is_due
"""


async def count(connection: Rows, sweep: Sweep, limits: Row) -> Freed:
    """Return what would go."""
    query: Any = COUNT.format(doomed=sweep.doomed)
    return _freed(await (await connection.execute(query, limits)).fetchone())


async def remove(connection: Rows, sweep: Sweep, limits: Row) -> Freed:
    """Remove a batch and return it; nothing is left when it is empty."""
    and_then = TOTAL if sweep is ACTS else ""
    query: Any = REMOVE.format(doomed=sweep.doomed, table=sweep.table, and_then=and_then)
    return _freed(await (await connection.execute(query, limits)).fetchone())


def _freed(row: Row | None) -> Freed:
    return Freed(row["rows"], row["bytes"]) if row else Freed()


async def begin(connection: Rows) -> bool:
    """Return whether no other upkeep is at work; ours ends with the connection, or with `end`."""
    row = await (await connection.execute(TRY)).fetchone()
    return bool(row and row["is_ours"])


async def end(connection: Rows, report: Row) -> None:
    """Keep what was done, and let others begin."""
    await connection.execute(KEEP, [Jsonb(report)])
    await release(connection)


async def release(connection: Rows) -> None:
    """Let others begin."""
    await connection.execute(UNLOCK)


async def is_due(connection: Rows, every: Any) -> bool:
    """Return whether the last upkeep is as long ago as that."""
    row = await (await connection.execute(IS_DUE, [every])).fetchone()
    return bool(row and row["is_due"])


async def vacuum(connection: Rows) -> list[str]:
    """Make room where it pays, and return the tables; needs a connection in autocommit."""
    tables = sorted({sweep.table for sweep in SWEEPS.values()} | {"procrastinate_events"})
    rows = await (await connection.execute(WORTH, [tables])).fetchall()
    for row in rows:
        query: Any = f'VACUUM (ANALYZE) "{row["name"]}"'
        await connection.execute(query)
    return [str(row["name"]) for row in rows]
