"""What people look at: reads over several tables, each bounded, for pages and reports."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from memory.database import Row, Rows

FRAME = """
SELECT (SELECT count(*) FROM changes WHERE status = 'waiting')
           + (SELECT count(*) FROM escalations WHERE type IS NULL)
           + (SELECT count(*) FROM appeals WHERE answer IS NULL) AS waiting,
       coalesce((SELECT seq FROM decisions ORDER BY seq DESC LIMIT 1), 0) AS decisions
"""
TASK = """
id, thread_id, tenant, status, created_at, ended_at, left(body->>'text', 300) AS text,
body->>'urgency' AS urgency, body->'labels' AS labels,
outcome->>'expert' AS expert, outcome->>'model' AS model, outcome->>'error' AS error,
(outcome->>'cost_usd')::float8 AS cost_usd, (outcome->>'latency_s')::float8 AS latency_s,
(outcome->>'cached')::boolean AS cached
"""
TASKS = f"""
SELECT {TASK} FROM tasks
WHERE (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(text)s::text IS NULL OR strpos(lower(body->>'text'), lower(%(text)s)) > 0)
  AND (%(before)s::timestamptz IS NULL OR created_at < %(before)s)
ORDER BY created_at DESC LIMIT %(limit)s
"""
RUNNING = """
SELECT tasks.id, left(tasks.body->>'text', 300) AS text, claims.stage, tasks.created_at,
       (SELECT coalesce(sum(cost_usd), 0)::float8 FROM acts WHERE case_id = tasks.id) AS cost_usd
FROM claims JOIN tasks ON tasks.thread_id = claims.thread_id AND tasks.status = 'open'
WHERE NOT claims.is_open AND claims.expires_at > clock_timestamp()
ORDER BY tasks.created_at LIMIT %s
"""
DAYS = """
SELECT (ended_at + %(offset)s)::date AS day, count(*) AS ended,
       count(*) FILTER (WHERE status = 'answered') AS answered
FROM (SELECT ended_at AT TIME ZONE 'UTC' AS ended_at, status FROM tasks
      WHERE created_at >= %(since)s AND ended_at >= %(since)s) AS ended
GROUP BY 1 ORDER BY 1
"""
SPENT = """
SELECT actor, count(DISTINCT case_id) AS cases, sum(cost_usd)::float8 AS cost_usd,
       sum(tokens)::bigint AS tokens
FROM acts WHERE began_at >= %s AND kind = 'ask_model'
GROUP BY actor ORDER BY sum(cost_usd) DESC, count(*) DESC, actor LIMIT 12
"""
ACTS = """
SELECT case_id, kind, subject, actor, attempt, status, cost_usd::float8 AS cost_usd, tokens,
       is_estimate, began_at, ended_at
FROM acts WHERE case_id = ANY(%s) ORDER BY began_at LIMIT 500
"""
STEPS = """
SELECT at, kind, body FROM events
WHERE correlation_id = %s AND kind IN ('stage.entered', 'stage.left') ORDER BY id LIMIT 1000
"""
CHANGES = """
SELECT changes.id, changes.kind, changes.subject, changes.workspace, changes.title, changes.status,
       changes.commit, changes.created_at, changes.evidence->'verdict' AS verdict,
       approvals.type AS said, approvals.by, approvals.reason, approvals.at AS said_at
FROM changes LEFT JOIN approvals ON approvals.change_id = changes.id
ORDER BY changes.created_at DESC LIMIT %s
"""
ANSWERED = """
SELECT changes.id FROM changes JOIN approvals ON approvals.change_id = changes.id
WHERE changes.status IN ('proposed', 'waiting') AND approvals.at < clock_timestamp() - %s
ORDER BY approvals.at LIMIT 100
"""
CALLS = """
SELECT body->>'workspace' AS workspace, body->>'path' AS path, body->>'tool' AS tool,
       ((at AT TIME ZONE 'UTC') + %(offset)s)::date AS day, count(*) AS calls,
       count(*) FILTER (WHERE (body->>'is_right')::boolean) AS "right"
FROM events WHERE kind = 'tool.judged' AND at >= %(since)s
GROUP BY 1, 2, 3, 4 ORDER BY 4
"""
TOOK = """
SELECT subject,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - began_at))::float8
           AS median_s
FROM acts WHERE kind = 'call_tool' AND began_at >= %s AND ended_at IS NOT NULL GROUP BY subject
"""
PROMPTS = """
SELECT prompts.expert, prompts.version, prompts.author, prompts.reason, prompts.created_at,
       ARRAY(SELECT channel FROM channels WHERE channels.expert = prompts.expert
             AND channels.version = prompts.version) AS channels,
       coalesce(done.judged, 0) AS judged, coalesce(done."right", 0) AS "right"
FROM (SELECT *, row_number() OVER (PARTITION BY expert ORDER BY version DESC) AS place FROM prompts)
    AS prompts
LEFT JOIN (SELECT split_part(bidder, '@', 1) AS expert, prompt, count(is_right) AS judged,
                  count(*) FILTER (WHERE is_right) AS "right"
           FROM works WHERE at > clock_timestamp() - interval '90 days' GROUP BY 1, 2) AS done
    ON done.expert = prompts.expert AND done.prompt = prompts.version
WHERE place <= 10 ORDER BY prompts.expert, prompts.version DESC
"""
LOOPS = """
SELECT id, workspace, name, preset, status, started_at, next_at, last_check, cycles_completed,
       opportunities_detected, tools_analyzed
FROM loops ORDER BY started_at DESC LIMIT 20
"""
ALERTS = """
SELECT id, kind, subject, severity, text, at, last_at, times, status FROM alerts
ORDER BY last_at DESC LIMIT %s
"""
ALARMS = """
SELECT id, kind, subject, status, verdict, evidence, created_at, closed_at FROM opportunities
WHERE kind = ANY(%s) ORDER BY created_at DESC LIMIT %s
"""
ROOMS = """
SELECT id, thread_id, domain, ruled_at, truth, left(minutes->'task'->>'text', 300) AS text,
       minutes->'ruling'->>'answer' AS answer, minutes->'ruling'->>'decided_by' AS decided_by,
       (minutes->'ruling'->>'is_consensus')::boolean AS is_consensus,
       (minutes->'spent'->>'cost_usd')::float8 AS cost_usd,
       jsonb_array_length(minutes->'ruling'->'votes') AS votes
FROM rooms ORDER BY ruled_at DESC LIMIT %s
"""


async def frame(connection: Rows) -> Row:
    """Return what every page shows: how much waits for people, how many decisions there are."""
    row = await (await connection.execute(FRAME)).fetchone()
    assert row is not None
    return row


async def tasks(
    connection: Rows,
    *,
    status: str | None = None,
    text: str | None = None,
    before: datetime | None = None,
    limit: int = 50,
) -> list[Row]:
    """Return tasks, newest first, with what their outcome says; `text` is looked for in them."""
    wanted = {"status": status, "text": text, "before": before, "limit": limit}
    return await (await connection.execute(TASKS, wanted)).fetchall()


async def running(connection: Rows, limit: int = 20) -> list[Row]:
    """Return the tasks that somebody works on now, with the stage and the cost so far."""
    return await (await connection.execute(RUNNING, [limit])).fetchall()


async def days(connection: Rows, since: datetime) -> list[Row]:
    """Return for each day since then how many tasks ended, and how many were answered.

    A day is one of the place that `since` is in.
    """
    wanted = {"since": since, "offset": since.utcoffset() or timedelta()}
    return await (await connection.execute(DAYS, wanted)).fetchall()


async def spent(connection: Rows, since: datetime) -> list[Row]:
    """Return what each actor has spent on models since then: cases, USD, tokens."""
    return await (await connection.execute(SPENT, [since])).fetchall()


async def acts(connection: Rows, case_ids: Sequence[str]) -> list[Row]:
    """Return what was done for these cases, in order."""
    return await (await connection.execute(ACTS, [list(case_ids)])).fetchall()


async def steps(connection: Rows, correlation_id: str) -> list[Row]:
    """Return each stage's entry and exit of a case, as long as its events are kept."""
    return await (await connection.execute(STEPS, [correlation_id])).fetchall()


async def changes(connection: Rows, limit: int = 50) -> list[Row]:
    """Return the newest changes with what a person said of them, without their diffs."""
    return await (await connection.execute(CHANGES, [limit])).fetchall()


async def answered(connection: Rows, ago: timedelta) -> list[str]:
    """Return the changes that a person answered so long ago, and that wait as before."""
    rows = await (await connection.execute(ANSWERED, [ago])).fetchall()
    return [str(row["id"]) for row in rows]


async def calls(connection: Rows, since: datetime) -> list[Row]:
    """Return for each tool and day since then how many calls were judged, and how many right."""
    wanted = {"since": since, "offset": since.utcoffset() or timedelta()}
    return await (await connection.execute(CALLS, wanted)).fetchall()


async def took(connection: Rows, since: datetime) -> dict[str, float]:
    """Return the median seconds of a call of each tool since then."""
    rows = await (await connection.execute(TOOK, [since])).fetchall()
    return {row["subject"]: float(row["median_s"]) for row in rows}


async def prompt_versions(connection: Rows) -> list[Row]:
    """Return the ten newest versions of each expert's prompt, with how its tasks were judged."""
    return await (await connection.execute(PROMPTS)).fetchall()


async def loops(connection: Rows) -> list[Row]:
    """Return the loops, the newest first."""
    return await (await connection.execute(LOOPS)).fetchall()


async def alerts(connection: Rows, limit: int = 50) -> list[Row]:
    """Return the newest alerts."""
    return await (await connection.execute(ALERTS, [limit])).fetchall()


async def alarms(connection: Rows, kinds: Sequence[str], limit: int = 50) -> list[Row]:
    """Return the newest opportunities of these kinds, those that are closed, too."""
    return await (await connection.execute(ALARMS, [list(kinds), limit])).fetchall()


async def rooms(connection: Rows, limit: int = 50) -> list[Row]:
    """Return the newest meetings that have ruled."""
    return await (await connection.execute(ROOMS, [limit])).fetchall()


def day_range(last: date, days: int) -> list[date]:
    """Return so many days, the last one at the end."""
    return [last - timedelta(days=ago) for ago in range(days - 1, -1, -1)]
