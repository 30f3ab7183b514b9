"""The answers table: what may be said again to the same question in the same scope."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from psycopg.types.json import Jsonb

from agora.domain.contracts import AgentOutcome
from memory.database import UNFLUSHED, Row, Rows

KEEP = f"""
WITH unflushed AS ({UNFLUSHED})
INSERT INTO answers (tenant, scope, question, form, key, outcome, source, task_id, expert, cost_usd,
                     latency_s, expires_at)
SELECT %(tenant)s, %(scope)s, %(question)s, %(form)s, %(key)s, %(outcome)s, %(source)s, %(task_id)s,
       %(expert)s, %(cost_usd)s, %(latency_s)s, clock_timestamp() + %(life)s FROM unflushed
ON CONFLICT (scope, form) DO UPDATE SET outcome = EXCLUDED.outcome, source = EXCLUDED.source,
    task_id = EXCLUDED.task_id, expert = EXCLUDED.expert, cost_usd = EXCLUDED.cost_usd,
    latency_s = EXCLUDED.latency_s, created_at = clock_timestamp(),
    expires_at = EXCLUDED.expires_at, hits = 0
WHERE answers.expires_at < clock_timestamp()
"""
# Who has asked in these very words comes first; then the same question by its key, or by a judge.
FIND = """
SELECT answers.id, answers.question, answers.form, answers.outcome, answers.source,
       answers.cost_usd, answers.latency_s, answers.created_at, found.how
FROM (
    SELECT id, CASE WHEN form = %(form)s THEN 'exact' ELSE 'gate' END AS how
    FROM answers WHERE scope = ANY(%(scopes)s) AND key = %(key)s
    UNION ALL
    SELECT answer_id, 'alias' FROM aliases WHERE scope = ANY(%(scopes)s) AND key = %(key)s
) AS found JOIN answers USING (id)
WHERE answers.expires_at > clock_timestamp() AND NOT EXISTS (
    SELECT FROM blocked WHERE blocked.tenant = answers.tenant
        AND one = LEAST(answers.form, %(form)s) AND other = GREATEST(answers.form, %(form)s))
ORDER BY answers.scope <> %(scope)s, array_position(ARRAY['exact', 'gate', 'alias'], found.how),
    answers.id DESC LIMIT 1
"""
AMONG = """
SELECT id, question, form, source, cost_usd, latency_s
FROM answers WHERE id = ANY(%(ids)s) AND scope = %(scope)s AND expires_at > clock_timestamp()
  AND NOT EXISTS (
    SELECT FROM blocked WHERE blocked.tenant = answers.tenant
        AND one = LEAST(answers.form, %(form)s) AND other = GREATEST(answers.form, %(form)s))
"""
LIVING = "SELECT id FROM answers WHERE id = ANY(%s)"
SERVE = f"""
WITH unflushed AS ({UNFLUSHED}), noted AS (
    INSERT INTO served (task_id, answer_id, tenant, form, answered_form, how, source, cost_usd,
                        latency_s)
    SELECT %(task_id)s, %(answer_id)s, %(tenant)s, %(form)s, %(answered_form)s, %(how)s,
           %(source)s, %(cost_usd)s, %(latency_s)s FROM unflushed
    ON CONFLICT (task_id) DO NOTHING RETURNING answer_id
)
UPDATE answers SET hits = hits + 1 WHERE id IN (SELECT answer_id FROM noted)
"""
ALIAS = """
INSERT INTO aliases (scope, key, answer_id, question, judge)
SELECT %s, %s, id, %s, %s FROM answers WHERE id = %s ON CONFLICT DO NOTHING
"""
# A bad answer goes, and with it the one that it was served from; two questions stay two. Answers
# are locked in the order of ids wherever several go, so that no two wait for each other.
REJECT = """
WITH wrong AS (
    SELECT tenant, answer_id, form, answered_form FROM served WHERE task_id = %(task_id)s
), apart AS (
    INSERT INTO blocked (tenant, one, other)
    SELECT tenant, LEAST(form, answered_form), GREATEST(form, answered_form)
    FROM wrong WHERE form <> answered_form ON CONFLICT DO NOTHING
)
DELETE FROM answers WHERE id IN (
    SELECT id FROM answers WHERE task_id = %(task_id)s OR id IN (SELECT answer_id FROM wrong)
    ORDER BY id FOR UPDATE)
RETURNING id, tenant
"""
SHOW = """
SELECT id, tenant, question, outcome->>'answer' AS answer, source, task_id, expert,
       cost_usd::float8 AS cost_usd, created_at, expires_at, hits,
       (SELECT array_agg(a.question) FROM aliases a WHERE a.answer_id = answers.id) AS aliases
FROM answers WHERE expires_at > clock_timestamp() AND (%(id)s::bigint IS NULL OR id = %(id)s)
ORDER BY id DESC LIMIT %(limit)s
"""
FORGET = """
DELETE FROM answers WHERE id IN (
    SELECT id FROM answers WHERE %(id)s::bigint IS NULL OR id = %(id)s ORDER BY id FOR UPDATE)
RETURNING id, tenant
"""
EXPIRE = """
DELETE FROM answers WHERE id IN (
    SELECT id FROM answers WHERE expires_at < clock_timestamp() ORDER BY id FOR UPDATE)
RETURNING id, tenant
"""
FIGURES = """
SELECT (SELECT count(*) FROM answers WHERE expires_at > clock_timestamp()) AS entries,
       (SELECT count(*) FROM aliases) AS aliases, (SELECT count(*) FROM blocked) AS blocked,
       count(*) AS hits, count(*) FILTER (WHERE how = 'exact') AS exact,
       count(*) FILTER (WHERE how = 'gate') AS gate, count(*) FILTER (WHERE how = 'alias') AS alias,
       count(*) FILTER (WHERE how = 'judge') AS judge,
       coalesce(sum(cost_usd), 0)::float8 AS saved_usd,
       coalesce(sum(latency_s), 0) AS saved_s FROM served
"""


@dataclass(frozen=True)
class Asked:
    """A question as the cache knows it: hashes of its scope, its normal form and its gate key."""

    tenant: str
    scope: str
    form: str
    key: str
    text: str
    news: str  # the scope of answers from the news, after its own

    @property
    def names(self) -> dict[str, Any]:
        """Return what statements call by name."""
        hashes = {"scope": self.scope, "scopes": [self.scope, self.news]}
        return {"tenant": self.tenant, "form": self.form, "key": self.key} | hashes


async def keep(
    connection: Rows,
    asked: Asked,
    outcome: AgentOutcome,
    task_id: str,
    life: timedelta,
    source: str = "task",
) -> None:
    """Store an answer, unless a living one to the same words is there."""
    row = asked.names | {"question": asked.text, "outcome": Jsonb(outcome.as_json())}
    row |= {"source": source, "task_id": task_id, "expert": outcome.expert, "life": life}
    row |= {"cost_usd": outcome.cost_usd, "latency_s": outcome.latency_s}
    await connection.execute(KEEP, row)


async def find(connection: Rows, asked: Asked) -> Row | None:
    """Return a living answer to the same question, and `how` it was found; or None."""
    return await (await connection.execute(FIND, asked.names)).fetchone()


async def among(connection: Rows, asked: Asked, ids: Sequence[int]) -> list[Row]:
    """Return those of the answers that may be served for the question, if it is the same."""
    wanted = asked.names | {"ids": list(ids)}
    return await (await connection.execute(AMONG, wanted)).fetchall()


async def gone(connection: Rows, ids: Sequence[int]) -> list[int]:
    """Return the ids for which there is no answer any more."""
    rows = await (await connection.execute(LIVING, [list(ids)])).fetchall()
    return sorted(set(ids) - {int(row["id"]) for row in rows})


async def serve(connection: Rows, asked: Asked, found: Row, how: str, task_id: str) -> None:
    """Count a hit, once a task, and what it has saved."""
    known = {name: found[name] for name in ("source", "cost_usd", "latency_s")}
    known |= {"answer_id": found["id"], "answered_form": found["form"]}
    await connection.execute(SERVE, asked.names | known | {"how": how, "task_id": task_id})


async def alias(connection: Rows, asked: Asked, answer_id: int, judge: str) -> None:
    """Store that a judge has said yes: the next time it is a look-up."""
    row = [asked.scope, asked.key, asked.text, judge, answer_id]
    await connection.execute(ALIAS, row)


async def reject(connection: Rows, task_id: str) -> list[Row]:
    """Remove what a task was told, and block the pair; return id and tenant of what went."""
    return await (await connection.execute(REJECT, {"task_id": task_id})).fetchall()


async def show(connection: Rows, answer_id: int | None = None, limit: int = 20) -> list[Row]:
    """Return living answers, newest first."""
    wanted = {"id": answer_id, "limit": limit}
    return await (await connection.execute(SHOW, wanted)).fetchall()


async def forget(connection: Rows, answer_id: int | None) -> list[Row]:
    """Remove an answer, or all of them; return id and tenant of what went."""
    return await (await connection.execute(FORGET, {"id": answer_id})).fetchall()


async def expire(connection: Rows) -> list[Row]:
    """Remove what nobody may be served any more; return id and tenant of what went."""
    return await (await connection.execute(EXPIRE)).fetchall()


async def figures(connection: Rows) -> Row:
    """Return how much is kept, how it was found, and what that has saved in USD and seconds."""
    row = await (await connection.execute(FIGURES)).fetchone()
    assert row is not None
    return row
