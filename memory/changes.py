"""The changes table, and approvals: what was proposed, what a person said, what became of it."""

from typing import Any

from psycopg.types.json import Jsonb

from agora.domain.contracts import Approval, Change
from memory.database import UNFLUSHED, Row, Rows

FIELDS = "id, kind, takes_back, subject, workspace, base, diff, at, title"
# It needs nobody's answer yet: whatever is done about it takes it along to the disk.
PROPOSE = f"""
WITH unflushed AS ({UNFLUSHED})
INSERT INTO changes ({FIELDS}, digest, case_id, thread_id, opportunity_id, evidence, status)
SELECT %(id)s, %(kind)s, %(takes_back)s, %(subject)s, %(workspace)s, %(base)s, %(diff)s,
       %(at)s, %(title)s, %(digest)s, %(case_id)s, %(thread_id)s, %(opportunity_id)s,
       %(evidence)s, 'proposed'
FROM unflushed
ON CONFLICT DO NOTHING
"""
FIND = "SELECT * FROM changes WHERE id = %s"
MOVE = "UPDATE changes SET status = %s WHERE id = %s AND status = ANY(%s)"
REBASE = """
UPDATE changes SET base = %s
WHERE id = %s AND (status = 'approved' OR takes_back <> '' AND status = 'proposed')
"""
ADD = "UPDATE changes SET evidence = evidence || %s WHERE id = %s"
APPLIED = """
UPDATE changes SET status = 'applied', commit = %s WHERE id = %s AND status <> 'applied'
"""
WAITING = "SELECT * FROM changes WHERE status = 'waiting' ORDER BY created_at"
UNWANTED = """
SELECT digest FROM changes
WHERE workspace = %s AND takes_back = '' AND status IN ('rejected', 'reverted')
"""
COUNT = "SELECT status, count(*) AS changes FROM changes GROUP BY status"
ANSWER = """
INSERT INTO approvals (change_id, digest, type, by, reason, diff)
VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
ANSWERED = """
SELECT change_id, digest, type, by, reason, diff, decision FROM approvals WHERE change_id = %s
"""
LOGGED = "UPDATE approvals SET decision = %s WHERE change_id = %s AND decision IS NULL"


async def propose(
    connection: Rows,
    change: Change,
    *,
    case_id: str,
    thread_id: str,
    opportunity_id: str | None,
    evidence: dict[str, Any],
) -> None:
    """Write a change down; a repeated node finds it there."""
    row = change.model_dump() | {"digest": change.digest, "evidence": Jsonb(evidence)}
    row |= {"case_id": case_id, "thread_id": thread_id, "opportunity_id": opportunity_id}
    await connection.execute(PROPOSE, row)


async def find(connection: Rows, change_id: str) -> Row | None:
    """Return the row of a change, or None."""
    return await (await connection.execute(FIND, [change_id])).fetchone()


def change_of(row: Row) -> Change:
    """Return the change that a row holds."""
    return Change.model_validate({name: row[name] for name in Change.model_fields if name in row})


async def move(connection: Rows, change_id: str, status: str, *before: str) -> bool:
    """Set the status if it is one of those `before`; return whether it was."""
    return (await connection.execute(MOVE, [status, change_id, list(before)])).rowcount == 1


async def rebase(connection: Rows, change_id: str, base: str) -> None:
    """Put an approved change onto another commit; the diff stays."""
    await connection.execute(REBASE, [base, change_id])


async def add_evidence(connection: Rows, change_id: str, evidence: dict[str, Any]) -> None:
    """Add what was found out about a change."""
    await connection.execute(ADD, [Jsonb(evidence), change_id])


async def applied(connection: Rows, change_id: str, commit: str) -> bool:
    """Store the commit that brought the change in; return False: it was stored before."""
    return (await connection.execute(APPLIED, [commit, change_id])).rowcount == 1


async def waiting(connection: Rows) -> list[Row]:
    """Return every change that a person has not answered, oldest first."""
    return await (await connection.execute(WAITING)).fetchall()


async def count(connection: Rows) -> dict[str, int]:
    """Return how many changes there are of each status."""
    rows = await (await connection.execute(COUNT)).fetchall()
    return {row["status"]: int(row["changes"]) for row in rows}


async def answer(connection: Rows, approval: Approval, diff: str | None = None) -> bool:
    """Keep what the person said, before anything is resumed; return False: it was said before."""
    said = [approval.change_id, approval.digest, approval.type, approval.by, approval.reason, diff]
    return (await connection.execute(ANSWER, said)).rowcount == 1


async def answered(connection: Rows, change_id: str) -> Row | None:
    """Return what a person said of a change, or None."""
    return await (await connection.execute(ANSWERED, [change_id])).fetchone()


async def logged(connection: Rows, change_id: str, decision: int) -> None:
    """Store where the signed log has an answer; the first place counts."""
    await connection.execute(LOGGED, [decision, change_id])


async def unwanted(connection: Rows, workspace: str) -> set[str]:
    """Return the digests of what was rejected, or taken back, in a workspace."""
    rows = await (await connection.execute(UNWANTED, [workspace])).fetchall()
    return {str(row["digest"]) for row in rows}
