"""Reports: figures from records, for the command line, the pages and metrics."""

from agora.domain.contracts import Json
from agora.team import Team
from memory import acts, answers, changes, news, opportunities, tasks


async def figures(team: Team) -> Json:
    """Return what was done, what it has cost, and what waits.

    Task completion is answered / ended, None before the first task has ended.
    """
    async with team.database.transaction() as connection:
        by_status = await tasks.count(connection)
        spent = await acts.total(connection)
        by_change = await changes.count(connection)
        living = await opportunities.living(connection)
    ended = sum(count for status, count in by_status.items() if status != "open")
    answered = by_status.get("answered", 0)
    return {
        "tasks": sum(by_status.values()),
        "answered": answered,
        "open": by_status.get("open", 0),
        "task_completion": answered / ended if ended else None,
        "cost_usd": spent["cost_usd"],
        "tokens": spent["tokens"],
        "changes_applied": by_change.get("applied", 0),
        "changes_reverted": by_change.get("reverted", 0),
        "changes_waiting": by_change.get("waiting", 0),
        "opportunities": len(living),
    }


async def cache(team: Team) -> Json:
    """Return how much is kept, how hits were found, and what they have saved in USD and seconds."""
    async with team.database.autocommit() as connection:
        told = await answers.figures(connection) | await news.figures(connection)
        by_status = await tasks.count(connection)
    asked = sum(by_status.values())
    return told | {"hit_rate": told["hits"] / asked if asked else None}
