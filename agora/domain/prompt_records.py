"""Prompt records: what outcomes say of each version of an expert's prompt, as a fold into JSON.

An outcome that names the version (`prompt`) counts for all domains together (the cell "") and for
its own. A cell rings by its CUSUM, or by the floor, and names its evidence: tasks, errors, and
what they share. (What has won a trial has a watch beside: agora/team/proving.py.)
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from agora.domain.contracts import Json
from agora.domain.experts import words_of
from agora.domain.sequential import (
    OWN_RATE_OUTCOMES,
    Cusum,
    expert_watch,
    is_below_floor,
)

KINDS = ["outcome.judged", "outcome.corrected", "rewrite.judged", "prompt.searched"]
NEW: Json = {"right": 0, "outcomes": 0, "total": 0.0, "own": None, "before": [0, 0], "failures": []}
KEPT = 20
"""So many failures of a version are kept as evidence."""
SHARED = 0.6
"""What so many of the failures have is what they share."""


def empty() -> Json:
    """Return the records before the first outcome."""
    return {"cells": {}}


def step(state: Json, event: Mapping[str, Any]) -> Json:
    """Return the records after one more event; the given ones stay as they are."""
    cells: Json = (state or empty())["cells"]
    if event["kind"] == "prompt.searched":
        return {"cells": cells | dict(_calmed(cells, event))}
    if event.get("right") is None or event.get("prompt") is None or event.get("is_graded"):
        return {"cells": cells}
    expert, is_new = event["bidder"].partition("@")[0], event["kind"] != "outcome.corrected"
    keys = [f"{expert}/{event['prompt']}/{domain}" for domain in ("", event["domain"])]
    counted = judged if is_new else corrected
    return {"cells": cells | {key: counted(cells.get(key, NEW), event) for key in keys}}


def judged(cell: Json, event: Mapping[str, Any]) -> Json:
    """Return a cell after one more outcome."""
    right, outcomes = cell["right"] + bool(event["right"]), cell["outcomes"] + 1
    after = cell | {"right": right, "outcomes": outcomes}
    after["total"] = cusum(cell).step(event["right"]).total
    if cell["own"] is None and outcomes >= OWN_RATE_OUTCOMES and not cusum(after).is_alarm:
        after |= {"own": [right, outcomes], "total": 0.0}  # what rings goes on until it is heard
    return after if event["right"] else after | {"failures": _with(cell["failures"], event)}


def corrected(cell: Json, event: Mapping[str, Any]) -> Json:
    """Return a cell in which an outcome was judged otherwise later on."""
    right = cell["right"] + (1 if event["right"] else -1)
    after = cell | {"right": right, "total": cusum(cell).turned(event["right"]).total}
    rest = [one for one in cell["failures"] if one["task"] != event.get("task_id")]
    return after | {"failures": rest if event["right"] else _with(rest, event)}


def _with(failures: list[Json], event: Mapping[str, Any]) -> list[Json]:
    kept = {"task": event.get("task_id"), "error": event.get("error") or ""}
    kept |= {"about": event.get("about") or "", "model": event["bidder"].partition("@")[2]}
    return [*failures, kept][-KEPT:]


def _calmed(cells: Json, event: Mapping[str, Any]) -> Iterator[tuple[str, Json]]:
    """Return the cells of a version that was searched for: they ring again by new outcomes only."""
    prefix = f"{event['expert']}/{event['version']}/"
    for key, cell in cells.items():
        if key.startswith(prefix):
            yield key, cell | {"total": 0.0, "before": [cell["right"], cell["outcomes"]]}


def cusum(cell: Json) -> Cusum:
    """Return the watch over a cell, as it stands."""
    fresh = expert_watch(*(cell["own"] or ()))
    return Cusum(fresh.p0, fresh.p1, fresh.alarm, cell["total"])


def why(cell: Json) -> str | None:
    """Return what rings in a cell: "fall" (CUSUM), "floor", or None."""
    if cusum(cell).is_alarm:
        return "fall"
    right, outcomes = cell["before"]
    return "floor" if is_below_floor(cell["right"] - right, cell["outcomes"] - outcomes) else None


def drops(state: Json, production: Mapping[str, int]) -> list[Json]:
    """Return the experts whose version in production rings, each once, with the evidence."""
    cells: Json = (state or empty())["cells"]
    found: dict[str, Json] = {}
    for key in sorted(cells):
        expert, version, domain = key.split("/", 2)
        rings = why(cells[key]) if str(production.get(expert)) == version else None
        if rings and expert not in found:  # "" sorts first: all domains before one of them
            found[expert] = _drop(expert, int(version), domain, rings, cells[key])
    return list(found.values())


def _drop(expert: str, version: int, domain: str, rings: str, cell: Json) -> Json:
    return {
        "expert": expert,
        "version": version,
        "domain": domain,
        "why": rings,
        "success": cell["right"] / cell["outcomes"],
        "outcomes": cell["outcomes"],
        "failures": cell["failures"],
        "shared": shared(cell["failures"]),
    }


def shared(failures: list[Json]) -> Json:
    """Return what most of the failures have in common: an error, a model, words of the tasks."""
    least = max(2, SHARED * len(failures))
    found: Json = {}
    for name in ("error", "model"):
        counted = Counter(one[name] for one in failures if one[name])
        if (top := counted.most_common(1)) and top[0][1] >= least:
            found[name] = top[0][0]
    words = Counter(word for one in failures for word in words_of(one["about"]))
    common = [word for word, count in words.most_common() if count >= least]
    return found | ({"words": common[:5]} if common else {})
