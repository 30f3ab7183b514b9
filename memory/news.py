"""The tables feeds, news and predictions: what was read, when, and what is expected of it."""

from collections.abc import Sequence
from datetime import timedelta

from agora.domain.feeds import Item
from memory.database import Row, Rows

# One process at a time reads a feed: who comes second finds that it was read just now.
CLAIM = """
INSERT INTO feeds (url, name) VALUES (%(url)s, %(name)s)
ON CONFLICT (url) DO UPDATE SET read_at = clock_timestamp()
WHERE feeds.read_at < clock_timestamp() - %(pause)s
RETURNING etag, modified
"""
READ = "UPDATE feeds SET etag = %s, modified = %s, fault = %s WHERE url = %s"
STORE = """
INSERT INTO news (link, feed, title, summary, published_at) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (link) DO NOTHING
"""
SINCE = """
SELECT feed, title, link, summary, published_at FROM news
WHERE published_at > clock_timestamp() - %s ORDER BY published_at DESC LIMIT 1000
"""
EXPIRE = """
DELETE FROM news WHERE link IN (
    SELECT link FROM news WHERE seen_at < clock_timestamp() - %s ORDER BY link FOR UPDATE)
"""
# What people have asked lately, but for what they have asked in private.
ASKED = """
SELECT tenant, array_agg(body->>'text' ORDER BY created_at DESC) AS texts
FROM (SELECT * FROM tasks WHERE NOT body->'labels' ? 'private' ORDER BY created_at DESC LIMIT 500)
AS latest GROUP BY tenant ORDER BY tenant
"""
PREDICT = """
INSERT INTO predictions (tenant, question, trend, task_id) VALUES (%s, %s, %s, %s)
ON CONFLICT (tenant, question) DO NOTHING
"""
FIGURES = """
SELECT (SELECT count(*) FROM predictions) AS predicted,
       count(DISTINCT answer_id) AS predicted_asked, count(*) AS predicted_hits,
       coalesce(sum(latency_s), 0) AS predicted_saved_s
FROM served WHERE source = 'news'
"""
ASKED_LATER = """
SELECT predictions.question, predictions.at AS predicted_at, count(*) AS hits,
       min(served.at) AS first
FROM served JOIN answers ON answers.id = served.answer_id
JOIN predictions ON predictions.task_id = answers.task_id
WHERE served.source = 'news' GROUP BY 1, 2 ORDER BY 4 DESC LIMIT %s
"""
USUAL = """
SELECT coalesce(avg((outcome->>'latency_s')::float8), 0) AS latency_s FROM (
    SELECT outcome FROM tasks WHERE status = 'answered' AND (outcome->>'latency_s')::float8 > 0
    ORDER BY created_at DESC LIMIT 100) AS latest
"""


async def claim(connection: Rows, url: str, name: str, pause: timedelta) -> Row | None:
    """Return what is known of a feed that may be read now; None: it was read a moment ago."""
    wanted = {"url": url, "name": name, "pause": pause}
    return await (await connection.execute(CLAIM, wanted)).fetchone()


async def read(connection: Rows, url: str, etag: str, modified: str, fault: str) -> None:
    """Note how the reading of a feed went."""
    await connection.execute(READ, [etag, modified, fault, url])


async def store(connection: Rows, items: Sequence[Item]) -> int:
    """Store what is new; return how much."""
    new = 0
    # In one order: two feeds that are read at once tell much of the same.
    for item in sorted(items, key=lambda item: item.link):
        row = [item.link, item.feed, item.title, item.summary, item.published_at]
        new += (await connection.execute(STORE, row)).rowcount
    return new


async def since(connection: Rows, span: timedelta) -> list[Item]:
    """Return the news of a span of time, newest first."""
    rows = await (await connection.execute(SINCE, [span])).fetchall()
    return [Item.model_validate(row) for row in rows]


async def expire(connection: Rows, span: timedelta) -> int:
    """Remove what was read longer ago; return how much."""
    return (await connection.execute(EXPIRE, [span])).rowcount


async def asked(connection: Rows) -> dict[str, list[str]]:
    """Return the latest questions of each tenant."""
    rows = await (await connection.execute(ASKED)).fetchall()
    return {row["tenant"]: row["texts"] for row in rows}


async def usual_latency(connection: Rows) -> float:
    """Return the seconds that an answer usually takes: what one given ahead saves."""
    row = await (await connection.execute(USUAL)).fetchone()
    assert row is not None
    return float(row["latency_s"])


async def predict(connection: Rows, tenant: str, question: str, trend: str, task_id: str) -> bool:
    """Store a prediction; return False if it was made before."""
    row = [tenant, question, trend, task_id]
    return (await connection.execute(PREDICT, row)).rowcount == 1


async def figures(connection: Rows) -> Row:
    """Return how many predictions were made, how many were asked later, what that has saved."""
    row = await (await connection.execute(FIGURES)).fetchone()
    assert row is not None
    return row


async def asked_later(connection: Rows, limit: int = 20) -> list[Row]:
    """Return the predicted questions that were asked, newest first."""
    return await (await connection.execute(ASKED_LATER, [limit])).fetchall()
