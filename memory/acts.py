"""The acts table: the ledger of everything that reached outside, and what it cost."""

from collections.abc import Sequence
from decimal import Decimal

from psycopg.types.json import Jsonb

from agora.domain.budgets import Budget, Left
from agora.domain.contracts import Act, ActOutcome, Case
from agora.domain.models import Spent
from memory.database import Row, Rows

FIND = "SELECT status, token, result FROM acts WHERE key = %s"
# Where all are there as they should be, as they mostly are, nothing is locked and nothing written.
OPEN_BUDGETS = """
INSERT INTO budgets (name, cap_usd, cap_tokens)
SELECT name, usd, tokens FROM unnest(%(names)s::text[], %(usd)s::numeric[], %(tokens)s::bigint[])
    AS wanted (name, usd, tokens)
WHERE NOT EXISTS (
    SELECT FROM budgets WHERE name = wanted.name AND cap_usd IS NOT DISTINCT FROM usd
                              AND cap_tokens IS NOT DISTINCT FROM tokens)
ORDER BY name
ON CONFLICT (name) DO UPDATE SET cap_usd = EXCLUDED.cap_usd, cap_tokens = EXCLUDED.cap_tokens
"""
# The row locks make check and reservation one: two cannot both spend the last cent. They are
# taken in the order of names, so that two acts with the same budgets cannot block each other.
LOCK = "SELECT FROM budgets WHERE name = ANY(%(budgets)s) ORDER BY name FOR UPDATE"
RESERVE = """
UPDATE budgets SET reserved_usd = reserved_usd + %(usd)s,
                   reserved_tokens = reserved_tokens + %(tokens)s
WHERE name = ANY(%(budgets)s)
  AND (%(usd)s = 0 OR cap_usd IS NULL OR reserved_usd + spent_usd + %(usd)s <= cap_usd)
  AND (cap_tokens IS NULL OR reserved_tokens + spent_tokens + %(tokens)s <= cap_tokens)
RETURNING name
"""
OPEN = """
INSERT INTO acts (key, case_id, kind, subject, actor, budgets, token, status, reserved_usd,
                  reserved_tokens)
VALUES (%(key)s, %(case_id)s, %(kind)s, %(subject)s, %(actor)s, %(budgets)s, %(token)s,
        'open', %(usd)s, %(tokens)s)
ON CONFLICT (key) DO UPDATE SET token = EXCLUDED.token, attempt = acts.attempt + 1,
    status = 'open', reserved_usd = EXCLUDED.reserved_usd, ended_at = NULL,
    reserved_tokens = EXCLUDED.reserved_tokens, began_at = clock_timestamp()
WHERE acts.status = 'failed'
"""
# The old reservation is given back and the true cost booked in one statement; budgets are locked
# as `LOCK` does it.
SETTLE = """
WITH act AS (
    UPDATE acts SET status = %(status)s, result = %(result)s, ended_at = clock_timestamp(),
                    reserved_usd = 0, cost_usd = acts.cost_usd + settled.usd,
                    reserved_tokens = 0, tokens = acts.tokens + settled.spent_tokens,
                    is_estimate = acts.is_estimate OR (%(is_estimate)s AND settled.spent_tokens > 0)
    FROM (SELECT key, reserved_usd AS reserved, coalesce(%(usd)s, reserved_usd) AS usd,
                 reserved_tokens AS tokens, coalesce(%(tokens)s, reserved_tokens) AS spent_tokens
          FROM acts WHERE key = %(key)s AND status = 'open' FOR UPDATE) AS settled
    WHERE acts.key = settled.key
    RETURNING acts.budgets, settled.reserved, settled.usd, settled.tokens AS held, spent_tokens
)
UPDATE budgets SET reserved_usd = reserved_usd - act.reserved, spent_usd = spent_usd + act.usd,
                   reserved_tokens = reserved_tokens - act.held,
                   spent_tokens = budgets.spent_tokens + act.spent_tokens
FROM act WHERE budgets.name IN (
    SELECT name FROM budgets JOIN act ON name = ANY(act.budgets)
    ORDER BY name FOR UPDATE OF budgets)
"""
SPENT = """
SELECT coalesce(sum(cost_usd), 0)::float8 AS cost_usd, coalesce(sum(tokens), 0)::bigint AS tokens,
       coalesce(bool_or(is_estimate), false) AS is_estimate
FROM acts WHERE case_id = ANY(%s)
"""
TOTAL = """
SELECT coalesce(sum(cost_usd), 0)::float8 AS cost_usd, coalesce(sum(tokens), 0)::bigint AS tokens
FROM (SELECT cost_usd, tokens FROM acts UNION ALL SELECT cost_usd, tokens FROM act_totals) AS every
"""
# Both in one round trip, since every auction asks for both.
OUTLOOK = """
SELECT subject AS name, count(*) AS busy, NULL::float8 AS usd, NULL::bigint AS tokens FROM acts
WHERE status = 'open' AND kind = 'ask_model'
  AND began_at > clock_timestamp() - interval '10 minutes'
GROUP BY subject
UNION ALL
SELECT name, NULL, (cap_usd - reserved_usd - spent_usd)::float8,
       cap_tokens - reserved_tokens - spent_tokens
FROM budgets WHERE name = ANY(%s)
"""


def exact(usd: float | None) -> Decimal | None:
    """Return the money as its decimal notation, so that sums come out even."""
    return None if usd is None else Decimal(str(usd))


async def open_budgets(connection: Rows, budgets: Sequence[Budget]) -> None:
    """Make sure the budgets exist, with these caps."""
    row: Row = {"names": [one.name for one in budgets]}
    row |= {"usd": [exact(one.cap_usd) for one in budgets]}
    row |= {"tokens": [one.cap_tokens for one in budgets]}
    await connection.execute(OPEN_BUDGETS, row)


async def find(connection: Rows, key: str) -> Row | None:
    """Return the act as the ledger has it, or None if it was never begun."""
    return await (await connection.execute(FIND, [key])).fetchone()


async def reserve(connection: Rows, act: Act) -> list[str]:
    """Set the money aside in every budget of the act; return those that have too little left."""
    if not act.budgets:
        return []
    row = {"budgets": list(act.budgets), "usd": exact(act.cost_usd), "tokens": act.tokens}
    await connection.execute(LOCK, row)
    given = await (await connection.execute(RESERVE, row)).fetchall()
    return sorted(set(act.budgets) - {str(one["name"]) for one in given})


async def begin(connection: Rows, case: Case, act: Act) -> bool:
    """Write the act down as open, or return False: it is open or done already."""
    row = act.model_dump(include={"kind", "subject", "actor"})
    row |= {"key": act.key(case), "case_id": case.id, "token": case.token}
    row |= {"budgets": list(act.budgets), "usd": exact(act.cost_usd), "tokens": act.tokens}
    return (await connection.execute(OPEN, row)).rowcount == 1


async def settle(
    connection: Rows, key: str, outcome: ActOutcome | None, spent: Spent | None = None
) -> None:
    """Close an open act. Without an outcome it failed, and costs what was `spent`, if known.

    Of a failure that does not know what it has cost the whole reservation is booked.
    """
    row: Row = {"key": key, "status": "failed", "result": None, "tokens": None, "usd": None}
    row |= {"is_estimate": True}
    if spent is not None:
        row |= {"usd": exact(spent.cost_usd), "tokens": spent.tokens_in + spent.tokens_out}
        row |= {"is_estimate": spent.is_estimate}
    if outcome is not None:
        row |= {"status": "done", "result": Jsonb(outcome.result), "tokens": outcome.tokens}
        row |= {"usd": exact(outcome.cost_usd), "is_estimate": outcome.is_estimate}
    await connection.execute(SETTLE, row)


async def spent(connection: Rows, *case_ids: str) -> Row:
    """Return what all acts of these cases have cost: `cost_usd`, `tokens`, `is_estimate`."""
    row = await (await connection.execute(SPENT, [list(case_ids)])).fetchone()
    assert row is not None
    return row


async def total(connection: Rows) -> Row:
    """Return what all acts together have cost: `cost_usd`, `tokens`."""
    row = await (await connection.execute(TOTAL)).fetchone()
    assert row is not None
    return row


async def outlook(
    connection: Rows, budgets: Sequence[str] = ()
) -> tuple[dict[str, int], dict[str, Left]]:
    """Return how many answers each model works on, in all processes, and what budgets have left.

    A budget that does not exist yet is not among them.
    """
    rows = await (await connection.execute(OUTLOOK, [list(budgets)])).fetchall()
    busy = {row["name"]: int(row["busy"]) for row in rows if row["busy"] is not None}
    left = {row["name"]: Left(row["usd"], row["tokens"]) for row in rows if row["busy"] is None}
    return busy, left
