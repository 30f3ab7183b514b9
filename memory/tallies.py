"""What is counted for metrics, each by one query over the table that it stands in."""

from dataclasses import dataclass
from typing import Any

from memory.database import Row, Rows


@dataclass(frozen=True)
class Tally:
    """Rows of labels and a `value`; `only_grows` is a counter."""

    about: str
    query: str
    labels: tuple[str, ...]
    only_grows: bool = False


TALLIES = {
    "tasks": Tally(
        "tasks by status",
        "SELECT status, count(*) AS value FROM tasks GROUP BY status",
        ("status",),
    ),
    "task_seconds": Tally(
        "how long the tasks of the last hour took, by quantile",
        """SELECT q AS quantile, coalesce(percentile_cont(q) WITHIN GROUP (
               ORDER BY extract(epoch FROM ended_at - created_at)), 0) AS value
           FROM tasks, unnest(ARRAY[0.5, 0.95]::float8[]) AS q
           WHERE ended_at > clock_timestamp() - interval '1 hour' GROUP BY q""",
        ("quantile",),
    ),
    "acts": Tally(
        "acts by kind and how they ended",
        """SELECT kind, status, sum(n) AS value FROM (
               SELECT kind, status, 1 AS n FROM acts
               UNION ALL SELECT kind, status, acts FROM act_totals) AS every
           GROUP BY kind, status""",
        ("kind", "status"),
        only_grows=True,
    ),
    "cost_usd": Tally(
        "what acts have cost, in USD, by subject",
        """SELECT subject, sum(cost_usd) AS value FROM (
               SELECT subject, cost_usd FROM acts WHERE kind = 'ask_model'
               UNION ALL SELECT subject, cost_usd FROM act_totals WHERE kind = 'ask_model'
           ) AS every GROUP BY subject""",
        ("subject",),
        only_grows=True,
    ),
    "tokens": Tally(
        "tokens of models, by subject",
        """SELECT subject, sum(tokens) AS value FROM (
               SELECT subject, tokens FROM acts WHERE kind = 'ask_model'
               UNION ALL SELECT subject, tokens FROM act_totals WHERE kind = 'ask_model'
           ) AS every GROUP BY subject""",
        ("subject",),
        only_grows=True,
    ),
    "decisions": Tally(
        "decisions in the signed log",
        "SELECT coalesce(max(seq), 0) AS value FROM decisions",
        (),
        only_grows=True,
    ),
    "changes": Tally(
        "changes by kind and status",
        "SELECT kind, status, count(*) AS value FROM changes GROUP BY kind, status",
        ("kind", "status"),
    ),
    "opportunities": Tally(
        "what could be better, by kind and how it ended",
        """SELECT kind, coalesce(verdict, status) AS verdict, count(*) AS value
           FROM opportunities GROUP BY 1, 2""",
        ("kind", "verdict"),
    ),
    "threads_held": Tally(
        "threads that runs hold now",
        """SELECT count(*) AS value FROM claims
           WHERE NOT is_open AND expires_at > clock_timestamp()""",
        (),
    ),
    "jobs": Tally(
        "background jobs by name and status",
        """SELECT task_name AS name, status::text AS status, count(*) AS value
           FROM procrastinate_jobs GROUP BY 1, 2""",
        ("name", "status"),
    ),
    "capability_paused": Tally(
        "1 for a capability that rests, by phase",
        """SELECT name, phase, (paused <> '')::int AS value FROM capabilities""",
        ("name", "phase"),
    ),
}


async def every(connection: Rows) -> dict[str, list[Row]]:
    """Return the rows of each tally."""
    found: dict[str, list[Row]] = {}
    for name, tally in TALLIES.items():
        query: Any = tally.query
        found[name] = await (await connection.execute(query)).fetchall()
    return found
