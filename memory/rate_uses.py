"""The rate_uses table: when acts that a rate counts were begun, for as long as it looks back."""

from datetime import timedelta

from agora.domain.rates import Rate
from memory.database import Rows

# The lock comes first, in a statement of its own: the count must see what it has waited for.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 2031))"
FORGET = "DELETE FROM rate_uses WHERE name = %s AND at <= clock_timestamp() - %s"
USE = """
INSERT INTO rate_uses (name) SELECT %(name)s
WHERE (SELECT count(*) FROM rate_uses WHERE name = %(name)s) < %(most)s
"""
FREE_IN = """
SELECT extract(epoch FROM min(at) + %s - clock_timestamp())::float8 AS s
FROM rate_uses WHERE name = %s
"""


async def use(connection: Rows, rate: Rate) -> float | None:
    """Count an act, or return in how many seconds the next one may be begun."""
    window = timedelta(seconds=rate.every_s)
    await connection.execute(LOCK, [rate.name])
    await connection.execute(FORGET, [rate.name, window])
    wanted = {"name": rate.name, "most": rate.most}
    if (await connection.execute(USE, wanted)).rowcount == 1:
        return None
    row = await (await connection.execute(FREE_IN, [window, rate.name])).fetchone()
    return max(0.0, row["s"] or rate.every_s) if row else rate.every_s
