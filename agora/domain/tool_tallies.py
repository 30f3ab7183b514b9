"""What calls of a tool add up to: one memory a tool, in place of one a call."""

from collections.abc import Sequence

from agora.domain.contracts import Json, ToolCall

LAST = 3
"""So many of its last failures, and of the tasks that it was used for, are told."""
COUNTED = 20
"""So many tasks are remembered as counted: a stage that begins again adds nothing."""


def tallied(tally: Json, calls: Sequence[ToolCall], task_id: str, about: str) -> Json:
    """Return the tally after a task's calls of the tool; after a task that it knows, the same."""
    counted = list(tally.get("counted") or [])
    if task_id in counted:
        return tally
    failed = [" ".join(call.error.split()) for call in calls if call.error]
    return {
        "calls": tally.get("calls", 0) + len(calls),
        "failed": tally.get("failed", 0) + len(failed),
        "latency_s": tally.get("latency_s", 0.0) + sum(call.latency_s for call in calls),
        "failures": _newest(tally.get("failures") or [], failed),
        "about": _newest(tally.get("about") or [], [about]),
        "counted": [*counted, task_id][-COUNTED:],
    }


def _newest(known: Sequence[str], more: Sequence[str]) -> list[str]:
    """Return the last few, oldest first, each once."""
    return list(dict.fromkeys([*known, *more][::-1]))[:LAST][::-1]


def told(name: str, tally: Json, longest: int) -> str:
    """Return a tally in words; texts of others are cut to so many characters."""
    calls, failed = tally["calls"], tally["failed"]
    share = 100 * (calls - failed) / calls
    said = f"tool {name} worked in {calls - failed} of {calls} calls ({share:.0f} %), "
    said += f"{tally['latency_s'] / calls:.1f} s each"
    if tally["failures"]:
        said += f"; last failures: {'; '.join(one[:longest] for one in tally['failures'])}"
    return f"{said}; used for: {'; '.join(tally['about'])}"
