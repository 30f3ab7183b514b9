"""The tools table: which tools a workspace has, and had."""

from datetime import datetime, timedelta

from psycopg.types.json import Jsonb

from agora.domain.tools import Tool
from memory.database import Row, Rows

# Found again, a tool is as if it had never been gone.
PUT = """
INSERT INTO tools AS known (workspace, name, kind, path, capability, body, digest, source, seen_at)
VALUES (%(workspace)s, %(name)s, %(kind)s, %(path)s, %(capability)s, %(body)s, %(digest)s,
        %(source)s, %(now)s)
ON CONFLICT (workspace, name) DO UPDATE SET
    kind = EXCLUDED.kind, path = EXCLUDED.path, capability = EXCLUDED.capability,
    body = EXCLUDED.body, digest = EXCLUDED.digest, source = EXCLUDED.source,
    gone_at = NULL, archived_at = NULL
"""
GO = """
UPDATE tools SET gone_at = %s WHERE workspace = %s AND name = %s AND gone_at IS NULL
"""
ALL = "SELECT * FROM tools WHERE workspace = %s AND archived_at IS NULL ORDER BY name"
SERVED = """
SELECT body FROM tools WHERE workspace = %s AND kind = 'mcp' AND gone_at IS NULL ORDER BY name
"""
PROBED = "UPDATE tools SET probed = digest WHERE workspace = %s AND name = %s"
OLD = """
SELECT name FROM tools WHERE workspace = %s AND gone_at < %s AND archived_at IS NULL
"""
ARCHIVE = """
UPDATE tools SET archived_at = %(now)s, source = '' WHERE (workspace, name) IN (
    SELECT workspace, name FROM tools WHERE workspace = %(workspace)s AND name = ANY(%(names)s)
    ORDER BY name FOR UPDATE)
"""
# The team's own time where it was told, as the folds have it.
CALLERS = """
SELECT coalesce(body->>'actor', 'operator') AS actor,
       count(*) FILTER (WHERE (body->>'is_right')::bool) AS good
FROM events
WHERE kind = 'tool.judged' AND body->>'workspace' = %(workspace)s AND body->>'tool' = %(tool)s
  AND coalesce((body->>'when')::timestamptz, at) > %(since)s
GROUP BY 1
"""
FRUITLESS = """
SELECT evidence ->> 'tool' AS tool, count(*) AS times FROM opportunities
WHERE evidence ->> 'workspace' = %s AND status = 'closed' AND verdict = 'not_found'
  AND kind IN ('failing_tool', 'predicted_fault') GROUP BY 1
"""
USED = """
SELECT body->>'tool' AS tool, max(coalesce((body->>'when')::timestamptz, at)) AS at
FROM events WHERE kind = 'tool.judged' AND body->>'workspace' = %s GROUP BY 1
"""


async def put(
    connection: Rows, workspace: str, tool: Tool, digest: str, source: str, now: datetime
) -> None:
    """Write a tool down as it is now."""
    row: Row = {"workspace": workspace, "digest": digest, "source": source, "now": now}
    row |= tool.model_dump(include={"name", "kind", "path", "capability"})
    await connection.execute(PUT, row | {"body": Jsonb(tool.as_json())})


async def go(connection: Rows, workspace: str, name: str, now: datetime) -> None:
    """Say that a tool is there no more."""
    await connection.execute(GO, [now, workspace, name])


async def known(connection: Rows, workspace: str) -> list[Row]:
    """Return every tool that is there, or was not long ago."""
    return await (await connection.execute(ALL, [workspace])).fetchall()


async def served(connection: Rows, workspace: str) -> list[Tool]:
    """Return the tools that MCP servers bring to a workspace."""
    rows = await (await connection.execute(SERVED, [workspace])).fetchall()
    return [Tool.model_validate(row["body"]) for row in rows]


async def probed(connection: Rows, workspace: str, name: str) -> None:
    """Remember that inputs were generated for the tool as it is."""
    await connection.execute(PROBED, [workspace, name])


async def old(connection: Rows, workspace: str, before: datetime) -> list[str]:
    """Return the tools that are gone since before then."""
    rows = await (await connection.execute(OLD, [workspace, before])).fetchall()
    return [str(row["name"]) for row in rows]


async def archive(connection: Rows, workspace: str, names: list[str], now: datetime) -> None:
    """Put tools away that are gone for long."""
    given = {"now": now, "workspace": workspace, "names": names}
    await connection.execute(ARCHIVE, given)


async def callers(
    connection: Rows, workspace: str, tool: str, now: datetime, days: float
) -> dict[str, int]:
    """Return who has called a tool in so many days, and how many good calls each has made."""
    given = {"workspace": workspace, "tool": tool, "since": now - timedelta(days=days)}
    rows = await (await connection.execute(CALLERS, given)).fetchall()
    return {row["actor"]: int(row["good"]) for row in rows}


async def fruitless(connection: Rows, workspace: str) -> dict[str, int]:
    """Return how many repairs of each tool have found nothing."""
    rows = await (await connection.execute(FRUITLESS, [workspace])).fetchall()
    return {row["tool"]: row["times"] for row in rows}


async def used(connection: Rows, workspace: str) -> dict[str, datetime]:
    """Return when each tool was called last."""
    rows = await (await connection.execute(USED, [workspace])).fetchall()
    return {row["tool"]: row["at"] for row in rows}
