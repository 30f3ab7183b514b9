"""What Agora has booked beside what the servers say they have served."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

PENNY = 1e-9  # USD; what a sum of floating-point prices may be off
ACTS = """
SELECT CASE WHEN key LIKE '%%/recall/%%' THEN '' ELSE case_id END AS case_id,
       subject, actor, status, is_estimate, cost_usd::float8 AS usd
FROM acts
WHERE kind = 'ask_model' AND case_id = ANY(%s)
"""


@dataclass(frozen=True)
class Books:
    """Recorded and served spend in USD, and where they differ."""

    recorded: float
    served: float
    difference: float  # recorded - served, where nothing is marked as an estimate
    estimated: float  # recorded where something is
    off: int  # such bookings that are not what was served
    below: int  # estimates that are less than what was served
    paid_twice: int  # answers that came whole, and were asked for again

    def __add__(self, other: "Books") -> "Books":
        """Return both together."""
        fields = {name: value + getattr(other, name) for name, value in vars(self).items()}
        return Books(**fields)


NOTHING = Books(0.0, 0.0, 0.0, 0.0, 0, 0, 0)


def compare(
    acts: Iterable[Mapping[str, Any]],
    exchanges: Iterable[Mapping[str, Any]],
    texts: Mapping[str, str],
) -> Books:
    """Compare task by task and model by model; `texts` are the tasks' by id.

    What compares questions, for the sake of memory, names several tasks: it is compared as a whole.
    """
    seen = list(exchanges)
    booked: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for act in acts:
        booked[act["case_id"], act["subject"]].append(act)
    served: dict[tuple[str, str], float] = defaultdict(float)
    ids = {text: task for task, text in texts.items()} | {"": ""}
    for one in seen:
        served[ids[_task_of(one)], one["body"]["model"]] += one["usd"]
    books = replace(NOTHING, paid_twice=_repeated(seen))
    for pair in {*booked, *served}:
        books += _of_pair(booked[pair], served[pair])
    return books


def _of_pair(acts: list[Mapping[str, Any]], served: float) -> Books:
    recorded = sum(act["usd"] for act in acts)
    if any(act["is_estimate"] for act in acts):
        return Books(recorded, served, 0.0, recorded, 0, int(recorded < served - PENNY), 0)
    off = recorded - served
    return Books(recorded, served, off, 0.0, int(abs(off) > PENNY), 0, 0)


def _task_of(exchange: Mapping[str, Any]) -> str:
    text = "\n".join(str(one.get("content")) for one in exchange["body"]["messages"])
    _, mark, task = text.rpartition("<task>\n")
    return task.partition("\n</task>")[0] if mark else ""


def _repeated(exchanges: list[Mapping[str, Any]]) -> int:
    """Count requests that were answered whole more than once."""
    whole = Counter(
        json.dumps([one["body"]["model"], one["body"]["messages"]], sort_keys=True)
        for one in exchanges
        if one["fault"] is None and one["usage_sent"] and not one["hung_up"]
    )
    return sum(times - 1 for times in whole.values())
