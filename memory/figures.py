"""What the product's own figures are counted from; reads only, over all tables."""

from memory.database import Row, Rows

# A person had a part in a task: an act waited for a yes, or the ruling was a person's.
BY_PEOPLE = """
SELECT DISTINCT split_part(case_id, '.', 1) AS id FROM escalations WHERE answered_at IS NOT NULL
UNION
SELECT id FROM rooms WHERE minutes->'ruling'->>'decided_by' = 'person'
"""
TASKS = f"""
WITH people AS ({BY_PEOPLE}), domains AS (
    SELECT DISTINCT ON (correlation_id) correlation_id AS id, body->>'domain' AS domain
    FROM events WHERE kind = 'outcome.judged' ORDER BY correlation_id, events.id
)
SELECT coalesce(domains.domain, tasks.body->>'domain', 'general') AS name,
       count(*) FILTER (WHERE tasks.status <> 'open') AS ended,
       count(*) FILTER (WHERE tasks.status = 'answered') AS answered,
       count(*) FILTER (WHERE tasks.status = 'answered' AND people.id IS NULL) AS alone,
       count(people.id) AS with_people
FROM tasks LEFT JOIN people USING (id) LEFT JOIN domains USING (id)
WHERE tasks.id NOT LIKE '%.%'
GROUP BY 1 ORDER BY 1
"""
TOOLS = """
WITH calls AS (
    SELECT body->>'tool' AS name, count(*) AS calls,
           count(*) FILTER (WHERE (body->>'is_right')::bool) AS answered
    FROM events WHERE kind = 'tool.judged' GROUP BY 1
), people AS (
    SELECT act->>'subject' AS name, count(*) AS with_people FROM escalations
    WHERE act->>'kind' = 'call_tool' AND answered_at IS NOT NULL GROUP BY 1
), stopped AS (
    SELECT body::jsonb->>'resource' AS name, count(*) AS denied FROM decisions
    WHERE body LIKE '%"verdict":"deny"%' AND body::jsonb->>'action' = 'call_tool' GROUP BY 1
)
SELECT name, coalesce(calls, 0) AS ended, coalesce(answered, 0) AS answered,
       coalesce(with_people, 0) AS with_people, coalesce(denied, 0) AS denied
FROM calls FULL JOIN people USING (name) FULL JOIN stopped USING (name) ORDER BY 1
"""
INCIDENTS = """
SELECT count(*) AS detected,
       count(*) FILTER (
           WHERE status = 'closed' AND coalesce(evidence->>'by', '') <> 'person'
             AND coalesce(verdict, '') NOT IN ('told', 'given_up', 'not_found')) AS healed
FROM opportunities WHERE kind IN ('incident', 'alarm')
"""
COUNTS = """
SELECT (SELECT count(*) FROM approvals WHERE by <> 'policy')
         + (SELECT count(*) FROM escalations WHERE answered_at IS NOT NULL)
         + (SELECT count(*) FROM rooms WHERE minutes->'ruling'->>'decided_by' = 'person')
         AS human_interventions,
       (SELECT count(*) FROM decisions WHERE body LIKE '%"verdict":"deny"%') AS denied,
       (SELECT count(*) FROM changes WHERE status = 'reverted') AS reverted
"""
# What is known of a task is acquired when it ends, what is in the news when it was first seen.
FRESHNESS = """
WITH known AS (
    SELECT answers.created_at - tasks.ended_at AS took
    FROM answers JOIN tasks ON tasks.id = answers.task_id WHERE tasks.ended_at IS NOT NULL
    UNION ALL
    SELECT memories.created_at - tasks.ended_at
    FROM memories JOIN tasks ON tasks.id = memories.origin WHERE memories.kind = 'outcome'
    UNION ALL
    SELECT predictions.at - min(news.seen_at) FROM predictions JOIN news
        ON position(predictions.trend IN news.title) > 0 AND news.seen_at <= predictions.at
    GROUP BY predictions.tenant, predictions.question, predictions.at
)
SELECT extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (
    ORDER BY greatest(took, interval '0')))::float8 AS median_s FROM known
"""
VALIDATED = """
WITH firsts AS (
    SELECT correlation_id AS place, min(at) AS seen_at, min(at) FILTER (WHERE
        (body->>'wrong')::int = 0) AS valid_at,
        min((body->>'took_s')::float8) AS took_s
    FROM events WHERE kind = 'environment.checked' GROUP BY 1
)
SELECT percentile_cont(0.5) WITHIN GROUP (
    ORDER BY extract(epoch FROM valid_at - seen_at) + took_s)::float8 AS median_s
FROM firsts WHERE valid_at IS NOT NULL
"""


async def tasks_by_domain(connection: Rows) -> list[Row]:
    """Return ended, answered, alone and with_people of the tasks of each domain."""
    return await (await connection.execute(TASKS)).fetchall()


async def calls_by_tool(connection: Rows) -> list[Row]:
    """Return calls (ended), those that were right (answered), with_people and denied by tool."""
    return await (await connection.execute(TOOLS)).fetchall()


async def counts(connection: Rows) -> Row:
    """Return all that is counted over everything, by name."""
    told: Row = {}
    for query in (INCIDENTS, COUNTS):
        told |= await (await connection.execute(query)).fetchone() or {}
    fresh = await (await connection.execute(FRESHNESS)).fetchone() or {}
    valid = await (await connection.execute(VALIDATED)).fetchone() or {}
    told |= {"knowledge_freshness_s": fresh.get("median_s")}
    return told | {"deployment_confidence_s": valid.get("median_s")}
