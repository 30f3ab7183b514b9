"""How often an improvement loop looks, and what it takes for a failing tool: the presets."""

from agora.domain.contracts import Contract, Json
from agora.domain.errors import UsageError


class Preset(Contract):
    """A loop's rhythm (seconds and hours), and when a tool fails: below so much of so many."""

    interval_s: float
    maintenance_h: float
    executions: int
    below: float


PRESETS = {
    "default": Preset(interval_s=300, maintenance_h=24, executions=10, below=0.70),
    "development": Preset(interval_s=60, maintenance_h=1, executions=3, below=0.80),
    "production": Preset(interval_s=1800, maintenance_h=24, executions=50, below=0.70),
    "aggressive": Preset(interval_s=300, maintenance_h=6, executions=5, below=0.75),
}
TIDIED = ("duplicate_tool", "unused_tool")
"""Kinds that need no search: what becomes of them is proposed at once."""
REPAIRABLE = ("alarm", "failing_tool", "predicted_fault", "slow_tool", *TIDIED)
"""Kinds of opportunities that a run is begun for; failing tests are another, and cost a look."""


def preset(name: str) -> Preset:
    """Return a preset by its name; raise UsageError naming those there are."""
    if name not in PRESETS:
        raise UsageError(f"there is no preset {name}", f"presets: {', '.join(PRESETS)}")
    return PRESETS[name]


def figures(row: Json, counted: Json, uptime_s: float) -> Json:
    """Return what a loop says of itself; `counted` is what its opportunities and changes say.

    Times are averages in seconds; deployments are those per day of uptime, None within the first
    hour, which would promise too much.
    """
    done = row["cycles_completed"]
    names = ("cycles_completed", "opportunities_detected", "tools_analyzed", "maintenance_runs")
    told: Json = {name: row[name] for name in (*names, "cycle_count")}
    told |= {f"improvements_{name}": counted[name] for name in ("attempted", "deployed", "failed")}
    told |= {"running": row["status"] == "running", "status": row["status"]}
    told |= {name: row[name] for name in ("preset", "last_check", "last_maintenance")}
    told |= {"uptime_seconds": round(uptime_s, 1)}
    told |= {"seconds_per_cycle": round(row["cycle_s"] / done, 3) if done else None}
    told |= {"opportunities_per_cycle": row["opportunities_detected"] / done if done else None}
    per_day = counted["deployed"] * 86_400 / uptime_s if uptime_s >= 3600 else None
    return told | {"deployments_per_day": per_day}
