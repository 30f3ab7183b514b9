"""Reputations: what judged meetings say of members, as a fold over them into plain JSON.

An event: votes (member → whether it was right; blanks have no vote), domain, and where more than
one member was heard best (its name), best_right and vote_right. It resists collusion because
nothing that members say of each other enters: only truths shown afterwards do.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Any

from agora.domain.contracts import Json

LEAST_MEETINGS = 30
"""So many judged meetings under one best member say whether it needs the others."""
CLEAR = 2.0
"""So many standard errors are no chance."""
BLANK: Json = {"right": 0, "wrong": 0}


def empty() -> Json:
    """Return what is known before the first judged meeting."""
    return {"members": {}, "tables": {}}


def step(state: Json, event: Mapping[str, Any]) -> Json:
    """Return the reputations after one more judged meeting; the given ones stay as they are."""
    members = dict(state["members"])
    for name, is_right in event["votes"].items():
        members[name] = _counted(of(state, name), event["domain"], is_right)
    return {"members": members, "tables": _tables(state["tables"], event)}


def of(state: Json, member: str) -> Json:
    """Return a member's record: right, wrong, and both by domain in `cells`."""
    found: Json = state["members"].get(member, BLANK | {"cells": {}})
    return found


def needs_nobody(state: Json, best: str) -> bool:
    """Return whether this best member alone has proved better than the votes it took part in.

    Only meetings in which one of both was right say anything (McNemar 1947): by chance alone the
    best is ahead by two standard errors of their number in one case of forty.
    """
    known = state["tables"].get(best)
    if not known or known["meetings"] < LEAST_MEETINGS:
        return False
    return bool(known["best"] - known["vote"] > CLEAR * sqrt(known["apart"]))


def _counted(record: Json, domain: str, is_right: bool) -> Json:
    cell = _plus(record["cells"].get(domain, BLANK), is_right)
    return _plus(record, is_right) | {"cells": record["cells"] | {domain: cell}}


def _plus(counts: Json, is_right: bool) -> Json:
    added = {"right": counts["right"] + is_right, "wrong": counts["wrong"] + (not is_right)}
    return counts | added


def _tables(tables: Json, event: Mapping[str, Any]) -> Json:
    if not event.get("best"):
        return tables
    known = tables.get(event["best"], {"meetings": 0, "best": 0, "vote": 0, "apart": 0})
    counted = {
        "meetings": known["meetings"] + 1,
        "best": known["best"] + event["best_right"],
        "vote": known["vote"] + event["vote_right"],
        "apart": known["apart"] + (event["best_right"] != event["vote_right"]),
    }
    return tables | {event["best"]: counted}
