"""Tasks that went well, as training sets want them: joined from tasks, works and judgements."""

from collections.abc import AsyncIterator

from memory.database import Row, Rows

BATCH = 1000
WELL = """
SELECT tasks.id, tasks.body->>'text' AS question, tasks.outcome, works.bidder, works.prompt,
       works.domain, works.answer, works.at, prompts.text AS system,
       array(SELECT source FROM judgements WHERE judgements.task_id = works.task_id
             AND judgements.bidder = works.bidder AND is_right ORDER BY source) AS sources,
       (SELECT coalesce(sum(weight), 0) FROM judgements WHERE judgements.task_id = works.task_id
        AND judgements.bidder = works.bidder AND is_right) AS weight
FROM tasks JOIN works ON works.task_id = tasks.id
     LEFT JOIN prompts ON prompts.expert = split_part(works.bidder, '@', 1)
     AND prompts.version = works.prompt
WHERE tasks.tenant = %(tenant)s AND tasks.status = 'answered' AND works.is_right
  AND works.answer <> '' AND works.prompt IS NOT NULL
  AND NOT tasks.body->'labels' ?| ARRAY['private', 'untrusted']
  AND tasks.id > %(after)s
ORDER BY tasks.id, works.bidder LIMIT %(most)s
"""
COUNT = """
SELECT works.domain, split_part(works.bidder, '@', 2) AS model, count(*) AS tasks,
       count(*) FILTER (WHERE coalesce(tasks.outcome->>'reasoning_trace', '') <> '') AS traces,
       count(*) FILTER (WHERE EXISTS (SELECT FROM judgements
           WHERE judgements.task_id = works.task_id AND judgements.bidder = works.bidder
             AND judgements.is_right AND source <> 'validator')) AS judged
FROM tasks JOIN works ON works.task_id = tasks.id
WHERE tasks.tenant = %s AND tasks.status = 'answered' AND works.is_right AND works.answer <> ''
  AND works.prompt IS NOT NULL AND NOT tasks.body->'labels' ?| ARRAY['private', 'untrusted']
GROUP BY 1, 2 ORDER BY 3 DESC
"""


async def well_done(connection: Rows, tenant: str) -> AsyncIterator[Row]:
    """Yield every task that was done well, with its answer and who says that it was right."""
    after = ""
    while True:
        given = {"tenant": tenant, "after": after, "most": BATCH}
        rows = await (await connection.execute(WELL, given)).fetchall()
        for row in rows:
            yield row
        if len(rows) < BATCH:
            return
        after = rows[-1]["id"]


async def count(connection: Rows, tenant: str) -> list[Row]:
    """Return how much has been done well, by domain and model."""
    return await (await connection.execute(COUNT, [tenant])).fetchall()
