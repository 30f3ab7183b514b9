"""Plans: whether a task is split, into which subtasks, and which of them can be done now."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from agora.domain.contracts import Json

LEVELS = 2
"""A subtask that fails may be split once more, and its parts no further."""
ITEM = re.compile(r"^\s*(?:\d{1,2}[.)]|[-*•])\s+(\S.*?)\s*$", re.MULTILINE)
STANDALONE = 3
"""Words that a listed item has at least where it is a task of its own, and no option or name."""


class Step(BaseModel):
    """One subtask as a planner writes it; `after` are the numbers of those it builds on."""

    text: str = Field(min_length=1, max_length=4000)
    after: list[int] = []


class Decomposition(BaseModel):
    """What a planner writes."""

    subtasks: list[Step] = Field(max_length=50)


@dataclass(frozen=True)
class Choice:
    """Whether a task is split, and why, in words."""

    is_split: bool
    reason: str


def listed(text: str) -> list[str]:
    """Return the items of a task that lists its parts, each with what stands before the list."""
    items = list(ITEM.finditer(text))
    if len(items) < 2 or any(len(item[1].split()) < STANDALONE for item in items):
        return []
    frame = text[: items[0].start()].strip()
    return [f"{frame}\n{item[1]}".strip() for item in items]


def choose(
    wish: bool | None,
    labels: Sequence[str],
    items: Sequence[str],
    domains: Sequence[str],
    proof: Mapping[str, Any] | None = None,
) -> Choice:
    """Return whether to split; `domains` are those of the items that the task lists itself.

    `proof` is the paired trial of splitting tasks of this kind: subject, status, wins, losses.
    """
    if wish is False:
        return Choice(False, "asked to be done whole")
    if "side_effects" in labels:
        return Choice(False, "it has side effects: what is done in parts may be left half done")
    if wish:
        return Choice(True, "a decomposition was asked for")
    needed = sorted(set(domains))
    if len(items) > 1 and len(needed) > 1:
        return Choice(True, f"its parts need different experts: {', '.join(needed)}")
    if proof and proof["status"] == "promoted":
        return Choice(True, f"splitting has paid off for {_told_of(proof)}")
    tried = f"; splitting {proof['status']} for {_told_of(proof)}" if proof else ""
    no = "no decomposition was asked for, and its parts need no different experts"
    return Choice(False, f"{no}{tried}")


def _told_of(proof: Mapping[str, Any]) -> str:
    differing = proof["wins"] + proof["losses"]
    return f"{proof['subject']}: better in {proof['wins']} of {differing} tasks that differed"


def numbered(steps: Sequence[Step], most: int, above: str = "") -> list[Json]:
    """Return the steps as subtasks with ids such as "3" or "3.1"; [] where they are no plan.

    What waits for itself, or for a step that is not there, waits for nothing.
    """
    if not 2 <= len(steps) <= most:
        return []
    head = f"{above}." if above else ""
    return [
        {
            "id": f"{head}{number}",
            "text": step.text,
            "after": [f"{head}{n}" for n in sorted(set(step.after)) if 0 < n < number],
        }
        for number, step in enumerate(steps, 1)
    ]


def ready(subtasks: Sequence[Json], parts: Mapping[str, Json]) -> list[Json]:
    """Return the subtasks that can be done now: not done, and all that they build on is.

    What builds on a failed one is done without it.
    """
    return [
        one
        for one in subtasks
        if one["id"] not in parts and all(before in parts for before in one["after"])
    ]


def failed(subtasks: Sequence[Json], parts: Mapping[str, Json]) -> list[Json]:
    """Return the failed subtasks of the first level that nothing has replaced yet."""
    return [
        one
        for one in subtasks
        if one["id"].count(".") < LEVELS - 1
        and one["id"] in parts
        and parts[one["id"]]["outcome"]["status"] == "failed"
        and not one.get("is_replanned")
    ]


def replaced(subtasks: Sequence[Json], old: Json, rest: Sequence[Json]) -> list[Json]:
    """Return the plan with `rest` in the place of a failed subtask; who waited for it waits on."""
    ends = [one["id"] for one in rest] or [old["id"]]
    adapted = []
    for one in subtasks:
        if one["id"] == old["id"]:
            adapted += [one | {"is_replanned": True, "by": ends if rest else []}, *rest]
        else:
            after = [n for b in one["after"] for n in (ends if b == old["id"] else [b])]
            adapted.append(one | {"after": after})
    return adapted


def told(subtasks: Sequence[Json], parts: Mapping[str, Json]) -> str:
    """Return the joined answer: each part under its subtask, with who gave it and its sources."""
    shown = [one for one in subtasks if not one.get("by")]
    return "\n\n".join(_told(one, parts[one["id"]]["outcome"]) for one in shown)


def _told(subtask: Json, outcome: Json) -> str:
    title = subtask["text"].strip().splitlines()[-1]
    if outcome["status"] != "answered":
        return f"{subtask['id']}. {title}\nnot done: {outcome['error'] or outcome['status']}"
    by = outcome["expert"] + (f" on {outcome['model']}" if outcome["model"] else "")
    places = [f"{one['path']}:{one['line']}" for one in outcome["evidence"]]
    source = f"[{'; '.join([by, *places])}]"
    return f"{subtask['id']}. {title}\n{outcome['answer']}\n{source}"


def merged(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Json | None:
    """Join what parallel subtasks add to the state; None empties it."""
    return None if new is None else {**(old or {}), **new}
