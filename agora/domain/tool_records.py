"""What executions say of tools and of changes under watch, as folds over the knowledge stream.

The state of both is plain JSON. A tool's subject is `workspace:path:name`; a change is watched
over all tools of the file that it altered, by the CUSUM of `agora.domain.sequential`.
"""

from dataclasses import asdict
from statistics import median
from typing import Any

from agora.domain.contracts import Json
from agora.domain.sequential import Cusum, promotion_watch

KINDS = ["tool.judged", "change.applied", "change.reverted"]
EXPECTED = 0.98
"""Success expected of a file whose tools nobody had called before the change."""
KEPT_FAILURES = 20
KEPT_CALLS = 60
"""Outcomes, and latencies of right calls, that trends are read from."""
JUDGED_CALLS = 10
"""Right calls of a tool that was to become faster, after which its watch says whether it has."""
NOTHING: Json = {"tools": {}, "watches": {}}


def subject_of(event: Json) -> str:
    """Return how a tool is known to opportunities."""
    return f"{event['workspace']}:{event['path']}:{event['tool']}"


def step(state: Json, event: Json) -> Json:
    """Return the state after one event."""
    state = state or NOTHING
    # The team's own time, where it tells it: a simulated day goes by that clock.
    event = event | {"at": event.get("when") or event["at"]} if "at" in event else event
    if event["kind"] == "tool.judged":
        return _judged(state, event)
    begun = {subject: one for subject, one in state["tools"].items() if not _is_of(one, event)}
    if event["kind"] == "change.applied":
        watched = {key: one for key, one in state["watches"].items() if not _is_over(one, event)}
        return {"tools": begun, "watches": watched | {event["change"]: _watch(event)}}
    # Whatever was watched in this file was watched as it stood before.
    kept = {key: one for key, one in state["watches"].items() if not _is_of(one, event)}
    return {"tools": begun, "watches": kept}


def _is_of(one: Json, event: Json) -> bool:
    # A change of several files is watched over all of them.
    wanted, has = (set(each.get("paths") or ()) for each in (event, one))
    wanted, has = wanted | {event["subject"]}, has | {one["path"]}
    return bool(one["workspace"] == event["workspace"] and wanted & has)


def _is_over(watch: Json, event: Json) -> bool:
    """Return whether the window of a watch has passed without an alarm."""
    until = watch.get("until")
    return bool(until and event["at"] > until and not _is_alarm(watch))


def _watch(event: Json) -> Json:
    rate = event["baseline"] if event["baseline"] is not None else EXPECTED
    return {
        "workspace": event["workspace"],
        "path": event["subject"],
        "paths": event.get("paths", []),
        "cusum": asdict(promotion_watch(rate)),
        "outcomes": 0,
        "failures": [],
        "until": event.get("until"),  # None: for ever
        "speed": event.get("speed"),  # the tool that was to become faster than its latency_s
        "latencies": [],
    }


def _judged(state: Json, event: Json) -> Json:
    subject = subject_of(event)
    tool = _counted(state["tools"].get(subject, _unused(event)), event)
    place = event | {"subject": event["path"]}
    watches = {
        key: _watched(one, event) if _is_of(one, place) and not _is_over(one, event) else one
        for key, one in state["watches"].items()
    }
    return {"tools": state["tools"] | {subject: tool}, "watches": watches}


def _unused(event: Json) -> Json:
    place = {name: event[name] for name in ("workspace", "path", "tool")}
    blank: Json = {"executions": 0, "right": 0, "failures": [], "outcomes": "", "latencies": []}
    return place | blank


def _counted(tool: Json, event: Json) -> Json:
    counts = {
        "executions": tool["executions"] + 1,
        "right": tool["right"] + bool(event["is_right"]),
    }
    outcomes = tool["outcomes"] + ("1" if event["is_right"] else "0")
    counts |= {"outcomes": outcomes[-KEPT_CALLS:], "latencies": _latencies(tool, event)}
    return tool | counts | {"failures": _failures(tool["failures"], event)}


def _latencies(tool: Json, event: Json) -> list[float]:
    known: list[float] = tool["latencies"]
    if not event["is_right"] or event.get("latency_s") is None:
        return known
    return [*known, round(event["latency_s"], 4)][-KEPT_CALLS:]


def _failures(known: list[Any], event: Json) -> list[Any]:
    if event["is_right"]:
        return known
    failure = {name: event.get(name) for name in ("arguments", "error", "line", "at")}
    return [*known, failure][-KEPT_FAILURES:]


def _watched(watch: Json, event: Json) -> Json:
    cusum = Cusum(**watch["cusum"])
    # After the alarm there is nothing more to learn; the sum stays as the evidence of it.
    cusum = cusum if cusum.is_alarm else cusum.step(bool(event["is_right"]))
    return watch | {
        "cusum": asdict(cusum),
        "outcomes": watch["outcomes"] + 1,
        "failures": _failures(watch["failures"], event),
        "latencies": _newest(watch, event),
    }


def _newest(watch: Json, event: Json) -> list[float]:
    """Return how long the newest right calls took of the tool that was to become faster."""
    known: list[float] = watch.get("latencies", [])
    is_of_it = (watch.get("speed") or {}).get("tool") == event["tool"]
    if not is_of_it or not event["is_right"] or event.get("latency_s") is None:
        return known
    # As with the sum: what has raised the alarm stays as the evidence of it.
    return known if is_no_faster(watch) else [*known, event["latency_s"]][-JUDGED_CALLS:]


def is_no_faster(watch: Json) -> bool:
    """Return whether a tool that was to become faster takes as long in use as it did before."""
    latencies, speed = watch.get("latencies", []), watch.get("speed")
    if not speed or len(latencies) < JUDGED_CALLS:
        return False
    return bool(median(latencies) >= speed["latency_s"])


def rate(tool: Json) -> float:
    """Return the share of executions that gave the documented result, in [0, 1]."""
    return float(tool["right"] / tool["executions"]) if tool["executions"] else 1.0


def baseline(state: Json, workspace: str, path: str) -> float | None:
    """Return the success of all tools of a file so far, or None when nobody has called them."""
    tools = [one for one in (state or NOTHING)["tools"].values() if _is_in(one, workspace, path)]
    executions = sum(one["executions"] for one in tools)
    return sum(one["right"] for one in tools) / executions if executions else None


def _is_in(one: Json, workspace: str, path: str) -> bool:
    return (one["workspace"], one["path"]) == (workspace, path)


def alarms(state: Json) -> list[str]:
    """Return the changes whose watch has raised an alarm."""
    watches = (state or NOTHING)["watches"].items()
    return [key for key, one in watches if _is_alarm(one)]


def _is_alarm(watch: Json) -> bool:
    return Cusum(**watch["cusum"]).is_alarm or is_no_faster(watch)
