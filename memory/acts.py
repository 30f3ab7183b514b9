"""The acts table: the ledger of everything that reached outside, and what it cost."""

from decimal import Decimal

from psycopg.types.json import Jsonb

from agora.domain.contracts import Act, ActOutcome, Case
from agora.domain.models import Spent
from memory.database import Row, Rows

FIND = "SELECT status, token, result FROM acts WHERE key = %s"
# Where it is there as it should be, as it mostly is, nothing is locked and nothing written.
OPEN_BUDGET = """
INSERT INTO budgets (name, cap_usd) SELECT %(name)s, %(usd)s
WHERE NOT EXISTS (SELECT FROM budgets WHERE name = %(name)s AND cap_usd = %(usd)s)
ON CONFLICT (name) DO UPDATE SET cap_usd = EXCLUDED.cap_usd
"""
# The row locks make check and reservation one: two cannot both spend the last cent. They are
# taken in the order of names, so that two acts with the same budgets cannot block each other.
LOCK = "SELECT FROM budgets WHERE name = ANY(%(budgets)s) ORDER BY name FOR UPDATE"
RESERVE = """
UPDATE budgets SET reserved_usd = reserved_usd + %(usd)s
WHERE name = ANY(%(budgets)s) AND (%(usd)s = 0 OR reserved_usd + spent_usd + %(usd)s <= cap_usd)
RETURNING name
"""
OPEN = """
INSERT INTO acts (key, case_id, kind, subject, actor, budgets, token, status, reserved_usd)
VALUES (%(key)s, %(case_id)s, %(kind)s, %(subject)s, %(actor)s, %(budgets)s, %(token)s,
        'open', %(usd)s)
ON CONFLICT (key) DO UPDATE SET token = EXCLUDED.token, attempt = acts.attempt + 1,
    status = 'open', reserved_usd = EXCLUDED.reserved_usd, ended_at = NULL
WHERE acts.status = 'failed'
"""
# The old reservation is given back and the true cost booked in one statement.
SETTLE = """
WITH act AS (
    UPDATE acts SET status = %(status)s, result = %(result)s, reserved_usd = 0,
                    tokens = acts.tokens + %(tokens)s, cost_usd = acts.cost_usd + settled.usd,
                    ended_at = clock_timestamp()
    FROM (SELECT key, reserved_usd AS reserved, coalesce(%(usd)s, reserved_usd) AS usd
          FROM acts WHERE key = %(key)s AND status = 'open' FOR UPDATE) AS settled
    WHERE acts.key = settled.key
    RETURNING acts.budgets, settled.reserved, settled.usd
)
UPDATE budgets SET reserved_usd = reserved_usd - act.reserved, spent_usd = spent_usd + act.usd
FROM act WHERE budgets.name = ANY(act.budgets)
"""
SPENT = """
SELECT coalesce(sum(cost_usd), 0)::float8 AS cost_usd, coalesce(sum(tokens), 0)::bigint AS tokens
FROM acts WHERE case_id = %s
"""
TOTAL = """
SELECT coalesce(sum(cost_usd), 0)::float8 AS cost_usd, coalesce(sum(tokens), 0)::bigint AS tokens
FROM (SELECT cost_usd, tokens FROM acts UNION ALL SELECT cost_usd, tokens FROM act_totals) AS every
"""
LEFT = """
SELECT min(cap_usd - reserved_usd - spent_usd)::float8 AS usd FROM budgets WHERE name = ANY(%s)
"""
BUSY = """
SELECT actor, count(*) AS acts FROM acts
WHERE status = 'open' AND kind = 'ask_model'
  AND began_at > clock_timestamp() - interval '10 minutes'
GROUP BY actor
"""


def exact(usd: float | None) -> Decimal | None:
    """Return the money as its decimal notation, so that sums come out even."""
    return None if usd is None else Decimal(str(usd))


async def open_budget(connection: Rows, name: str, cap_usd: float) -> None:
    """Make sure the budget exists, with this cap."""
    await connection.execute(OPEN_BUDGET, {"name": name, "usd": exact(cap_usd)})


async def find(connection: Rows, key: str) -> Row | None:
    """Return the act as the ledger has it, or None if it was never begun."""
    return await (await connection.execute(FIND, [key])).fetchone()


async def reserve(connection: Rows, act: Act) -> list[str]:
    """Set the money aside in every budget of the act; return those that have too little left."""
    if not act.budgets:
        return []
    row = {"budgets": list(act.budgets), "usd": exact(act.cost_usd)}
    await connection.execute(LOCK, row)
    given = await (await connection.execute(RESERVE, row)).fetchall()
    return sorted(set(act.budgets) - {str(one["name"]) for one in given})


async def begin(connection: Rows, case: Case, act: Act) -> bool:
    """Write the act down as open, or return False: it is open or done already."""
    row = act.model_dump(include={"kind", "subject", "actor"})
    row |= {"key": act.key(case), "case_id": case.id, "token": case.token}
    row |= {"budgets": list(act.budgets), "usd": exact(act.cost_usd)}
    return (await connection.execute(OPEN, row)).rowcount == 1


async def settle(
    connection: Rows, key: str, outcome: ActOutcome | None, spent: Spent | None = None
) -> None:
    """Close an open act. Without an outcome it failed, and costs what was `spent`, if known.

    Of a failure that does not know what it has cost the whole reservation is booked.
    """
    row: Row = {"key": key, "status": "failed", "result": None, "tokens": 0, "usd": None}
    if spent is not None:
        row |= {"usd": exact(spent.cost_usd), "tokens": spent.tokens_in + spent.tokens_out}
    if outcome is not None:
        row |= {"status": "done", "result": Jsonb(outcome.result), "tokens": outcome.tokens}
        row |= {"usd": exact(outcome.cost_usd)}
    await connection.execute(SETTLE, row)


async def spent(connection: Rows, case_id: str) -> Row:
    """Return what all acts of a case have cost: `cost_usd`, `tokens`."""
    row = await (await connection.execute(SPENT, [case_id])).fetchone()
    assert row is not None
    return row


async def total(connection: Rows) -> Row:
    """Return what all acts together have cost: `cost_usd`, `tokens`."""
    row = await (await connection.execute(TOTAL)).fetchone()
    assert row is not None
    return row


async def left(connection: Rows, budgets: list[str]) -> float | None:
    """Return the USD that the tightest of the budgets has left; None without any."""
    row = await (await connection.execute(LEFT, [budgets])).fetchone()
    return row["usd"] if row else None


async def busy(connection: Rows) -> dict[str, int]:
    """Return how many answers each bidder is working on, in all processes."""
    rows = await (await connection.execute(BUSY)).fetchall()
    return {row["actor"]: int(row["acts"]) for row in rows}
