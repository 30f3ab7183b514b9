"""Reports: figures from records, for the command line, the pages and metrics."""

from datetime import UTC, datetime

from agora.domain.contracts import Json
from agora.domain.figures import ratio
from agora.domain.phases import CAPABILITIES
from agora.team import Team
from memory import acts, answers, benefits, changes, news, opportunities, tasks
from memory import figures as tallies
from memory.database import Rows

EVER = datetime(1970, 1, 1, tzinfo=UTC)


async def figures(team: Team) -> Json:
    """Return what was done, what it has cost, what waits, and the figures of FORMULAS.

    `by_domain` and `by_tool` hold the same for each; what has no basis yet is None.
    """
    await team.capabilities.refresh()
    async with team.database.transaction() as connection:
        by_status = await tasks.count(connection)
        spent = await acts.total(connection)
        by_change = await changes.count(connection)
        living = await opportunities.living(connection)
        domains = await tallies.tasks_by_domain(connection)
        tools = await tallies.calls_by_tool(connection)
        counted = await tallies.counts(connection)
        counted["total_power"] = len(await powers(team, connection))
    told = {
        "tasks": sum(by_status.values()),
        "answered": by_status.get("answered", 0),
        "open": by_status.get("open", 0),
        "cost_usd": spent["cost_usd"],
        "tokens": spent["tokens"],
        "changes_applied": by_change.get("applied", 0),
        "changes_reverted": by_change.get("reverted", 0),
        "changes_waiting": by_change.get("waiting", 0),
        "opportunities": len(living),
    }
    ended = {name: sum(row[name] for row in domains) for name in ("ended", "answered", "alone")}
    told |= _own(ended, counted)
    by_domain = {row["name"]: _of_domain(row) for row in domains}
    return told | {"by_domain": by_domain, "by_tool": {row["name"]: _of_tool(row) for row in tools}}


async def powers(team: Team, connection: Rows) -> dict[str, str]:
    """Return the capabilities that act, and whose benefit shows: what each was good for."""
    acting = [name for name in CAPABILITIES if team.capabilities.has(name)]
    since = {name: team.capabilities.since(name) or EVER for name in acting}
    return await benefits.shown(connection, since)


def _own(ended: Json, counted: Json) -> Json:
    return {
        "task_completion": ratio(ended["answered"], ended["ended"]),
        "autonomy_index": ratio(ended["alone"], ended["ended"]),
        "human_interventions": counted["human_interventions"],
        "self_healing_coverage": ratio(counted["healed"], counted["detected"]),
        "deployment_confidence_s": counted["deployment_confidence_s"],
        "knowledge_freshness_s": counted["knowledge_freshness_s"],
        "safety_incidents": counted["denied"] + counted["reverted"],
        "total_power": counted["total_power"],
    }


def _of_domain(row: Json) -> Json:
    return {
        "tasks": row["ended"],
        "task_completion": ratio(row["answered"], row["ended"]),
        "autonomy_index": ratio(row["alone"], row["ended"]),
        "human_interventions": row["with_people"],
    }


def _of_tool(row: Json) -> Json:
    return {
        "calls": row["ended"],
        "task_completion": ratio(row["answered"], row["ended"]),
        "human_interventions": row["with_people"],
        "safety_incidents": row["denied"],
    }


async def cache(team: Team) -> Json:
    """Return how much is kept, how hits were found, and what they have saved in USD and seconds."""
    async with team.database.autocommit() as connection:
        told = await answers.figures(connection) | await news.figures(connection)
        by_status = await tasks.count(connection)
    asked = sum(by_status.values())
    return told | {"hit_rate": told["hits"] / asked if asked else None}
