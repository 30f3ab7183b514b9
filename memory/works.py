"""The works and judgements tables: what experts made of tasks, and who says what it is worth."""

from collections.abc import Iterable
from datetime import timedelta

from agora.domain.judgements import Judgement
from memory.database import Row, Rows

ADD = """
INSERT INTO works (task_id, bidder, prompt, domain, answer, error)
VALUES (%(task_id)s, %(bidder)s, %(prompt)s, %(domain)s, %(answer)s, %(error)s)
ON CONFLICT DO NOTHING
"""
SAY = """
INSERT INTO judgements (task_id, bidder, source, is_right, weight, reason, answer)
VALUES (%(task_id)s, %(bidder)s, %(source)s, %(is_right)s, %(weight)s, %(reason)s, %(answer)s)
ON CONFLICT (task_id, bidder, source) DO UPDATE
    SET is_right = EXCLUDED.is_right, weight = EXCLUDED.weight, reason = EXCLUDED.reason,
        answer = coalesce(EXCLUDED.answer, judgements.answer), at = clock_timestamp()
"""
SAID = """
SELECT source, is_right, reason, answer FROM judgements WHERE task_id = %s AND bidder = %s
"""
# Locked, so that two who judge at once do not both correct the same verdict.
FIND = """
SELECT task_id, bidder, prompt, domain, answer, error, is_right FROM works
WHERE task_id = %s AND bidder = %s FOR UPDATE
"""
LAST = """
SELECT bidder FROM works WHERE task_id = %s AND answer <> '' ORDER BY at DESC LIMIT 1
"""
SETTLE = "UPDATE works SET is_right = %s WHERE task_id = %s AND bidder = %s"
# What a person has called right, or has put right: the best reference there is.
REFERENCE = """
SELECT coalesce(judgements.answer, CASE WHEN judgements.is_right THEN works.answer END) AS answer
FROM judgements JOIN works USING (task_id, bidder)
WHERE task_id = %s AND source IN ('tests', 'person')
ORDER BY (judgements.answer IS NOT NULL) DESC, judgements.at DESC
"""
RECORDED = """
SELECT works.task_id, works.bidder, works.domain, works.answer, works.error, works.is_right,
       tasks.body AS task,
       (SELECT coalesce(judgements.answer, CASE WHEN judgements.is_right THEN works.answer END)
        FROM judgements
        WHERE judgements.task_id = works.task_id AND judgements.bidder = works.bidder
          AND source IN ('tests', 'person') ORDER BY source DESC LIMIT 1) AS reference,
       (SELECT string_agg(reason, '; ') FROM judgements
        WHERE judgements.task_id = works.task_id AND judgements.bidder = works.bidder
          AND NOT judgements.is_right AND reason <> '') AS why
FROM works JOIN tasks ON tasks.id = works.task_id
WHERE split_part(works.bidder, '@', 1) = %(expert)s AND works.is_right IS NOT NULL
  AND NOT tasks.body->'labels' ?| %(without)s
  AND NOT coalesce(tasks.outcome->'labels', '[]') ?| ARRAY['injected', 'private']
  AND coalesce(tasks.body->>'workspace', '') = ''
ORDER BY works.at DESC LIMIT %(most)s
"""
# Outcomes of promoted prompts that their watch has not counted, or has counted otherwise.
TURNED = """
SELECT trials.subject AS expert, works.prompt, works.task_id, works.is_right
FROM trials JOIN works ON split_part(works.bidder, '@', 1) = trials.subject
     AND works.prompt = (trials.candidate->>'version')::int AND works.at > trials.ended_at
     LEFT JOIN trial_outcomes ON trial_outcomes.trial_id = trials.id
     AND trial_outcomes.task_id = works.task_id
WHERE trials.kind = 'prompt' AND trials.status = 'promoted'
  AND trial_outcomes.candidate IS DISTINCT FROM works.is_right
  AND (trial_outcomes.task_id IS NULL OR trial_outcomes.incumbent IS NULL)
ORDER BY works.at LIMIT 500
"""
UNJUDGED = """
SELECT works.task_id, works.bidder, works.answer, tasks.body AS task
FROM works JOIN tasks ON tasks.id = works.task_id
WHERE works.answer <> '' AND works.at > clock_timestamp() - %(since)s
  AND NOT EXISTS (SELECT FROM judgements WHERE judgements.task_id = works.task_id
                  AND judgements.bidder = works.bidder AND source IN ('tests', 'person', 'judge'))
  AND abs(hashtext(works.task_id)) %% 1000 < %(share)s
ORDER BY works.at LIMIT %(most)s
"""


async def add(
    connection: Rows,
    task_id: str,
    bidder: str,
    prompt: int | None,
    domain: str,
    answer: str,
    error: str,
) -> None:
    """Write down what a bidder has made of a task."""
    row = {"task_id": task_id, "bidder": bidder, "prompt": prompt, "domain": domain}
    await connection.execute(ADD, row | {"answer": answer, "error": error})


async def find(connection: Rows, task_id: str, bidder: str) -> Row | None:
    """Return a work, locked until the transaction ends; None if there is none."""
    return await (await connection.execute(FIND, [task_id, bidder])).fetchone()


async def answered_by(connection: Rows, task_id: str) -> str | None:
    """Return the bidder whose answer a person was given, or None."""
    row = await (await connection.execute(LAST, [task_id])).fetchone()
    return str(row["bidder"]) if row else None


async def say(connection: Rows, task_id: str, bidder: str, said: Judgement) -> None:
    """Keep a judgement; of one source the newest counts."""
    row = said.model_dump() | {"weight": said.weight, "task_id": task_id, "bidder": bidder}
    await connection.execute(SAY, row)


async def said(connection: Rows, task_id: str, bidder: str) -> list[Judgement]:
    """Return all judgements of a work."""
    rows = await (await connection.execute(SAID, [task_id, bidder])).fetchall()
    return [Judgement.model_validate(row) for row in rows]


async def settle(connection: Rows, task_id: str, bidder: str, is_right: bool | None) -> None:
    """Keep what all judgements come to."""
    await connection.execute(SETTLE, [is_right, task_id, bidder])


async def reference(connection: Rows, task_id: str) -> str | None:
    """Return the right answer of a task, as far as tests or a person have shown one."""
    rows = await (await connection.execute(REFERENCE, [task_id])).fetchall()
    return next((str(row["answer"]) for row in rows if row["answer"]), None)


async def recorded(connection: Rows, expert: str, without: Iterable[str], most: int) -> list[Row]:
    """Return the newest judged works of an expert, but those of tasks with one of these labels."""
    wanted = {"expert": expert, "without": list(without), "most": most}
    return await (await connection.execute(RECORDED, wanted)).fetchall()


async def turned(connection: Rows) -> list[Row]:
    """Return outcomes of promoted prompts that the watch over them does not know as they are."""
    return await (await connection.execute(TURNED)).fetchall()


async def unjudged(connection: Rows, since: timedelta, share: float, most: int) -> list[Row]:
    """Return answers that only a validator has seen: this share of the tasks, oldest first."""
    wanted = {"since": since, "share": round(1000 * share), "most": most}
    return await (await connection.execute(UNJUDGED, wanted)).fetchall()
