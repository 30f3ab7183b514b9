"""Reports: figures from records, for the command line, the pages and metrics."""

from typing import Any

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, generate_latest

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


async def metrics(team: Team) -> bytes:
    """Return the figures, and this process' memory and time, in Prometheus' text format."""
    registry = CollectorRegistry()
    ProcessCollector(namespace="agora", registry=registry)
    for name, value in (await figures(team)).items():
        gauge = Gauge(f"agora_{name}", name.replace("_", " "), registry=registry)
        gauge.set(float("nan") if value is None else float(value))
    return generate_latest(registry)


def spoken(value: Any) -> str:
    """Return a figure as people read it."""
    if value is None:
        return "nothing to count yet"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


async def cache(team: Team) -> Json:
    """Return how much is kept, how hits were found, and what they have saved in USD and seconds."""
    async with team.database.autocommit() as connection:
        told = await answers.figures(connection) | await news.figures(connection)
        by_status = await tasks.count(connection)
    asked = sum(by_status.values())
    return told | {"hit_rate": told["hits"] / asked if asked else None}
