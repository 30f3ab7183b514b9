"""Paths: how a case went through its graph, as places and ways between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from agora.domain.contracts import Json
from memory.database import Row

Place = tuple[float, float]
TASK: Mapping[str, Place] = {
    "intake": (50, 96),
    "pulse": (150, 96),
    "recall": (250, 96),
    "planning": (355, 96),
    "subtask": (410, 164),
    "joining": (540, 164),
    "bidding": (500, 96),
    "execution": (650, 96),
    "war_room": (770, 164),
    "reflection": (860, 96),
    "rewriting": (940, 164),
}
IMPROVEMENT: Mapping[str, Place] = {
    "detecting": (60, 96),
    "investigating": (210, 96),
    "improving": (370, 96),
    "testing": (530, 96),
    "approval": (690, 96),
    "deploying": (860, 96),
    "monitoring": (210, 164),
    "convening": (450, 164),
}
INSIDE_OF: Mapping[str, str] = {"seats": "war_room", "vote": "war_room", "evidence": "war_room"} | {
    "judging": "war_room",
    "ruling": "war_room",
}
WAYS = {
    "task": (
        ("intake", "pulse"),
        ("pulse", "recall"),
        ("recall", "planning"),
        ("recall", "reflection"),
        ("planning", "bidding"),
        ("planning", "subtask"),
        ("subtask", "joining"),
        ("joining", "bidding"),
        ("bidding", "execution"),
        ("execution", "war_room"),
        ("execution", "reflection"),
        ("war_room", "reflection"),
        ("reflection", "rewriting"),
    ),
    "improvement": (
        ("detecting", "investigating"),
        ("detecting", "monitoring"),
        ("investigating", "improving"),
        ("improving", "testing"),
        ("improving", "convening"),
        ("testing", "approval"),
        ("approval", "deploying"),
    ),
}


@dataclass(frozen=True)
class Step:
    """One stage, or several at once; `took_s` is None while it runs."""

    stage: str
    began: datetime
    took_s: float | None
    times: int = 1

    @property
    def name(self) -> str:
        """Return the stage in words."""
        return self.stage.replace("_", " ")


@dataclass(frozen=True)
class Stop:
    """A stage in the picture."""

    x: float
    y: float
    name: str
    is_seen: bool
    is_now: bool
    remark: str


@dataclass(frozen=True)
class Way:
    """A line between two stages."""

    d: str
    is_back: bool = False


@dataclass(frozen=True)
class Picture:
    """The whole graph, with the way that a case took."""

    stops: Sequence[Stop]
    ways: Sequence[Way]  # not gone
    gone: Sequence[Way]
    told: str  # in a sentence, for those who do not see it


def steps(events: Sequence[Row]) -> list[Step]:
    """Return the stages in the order in which they began; parallel ones of a name are one."""
    open_at: dict[tuple[str, str, int], int] = {}
    found: list[Step] = []
    for event in events:
        body: Json = event["body"]
        stage = INSIDE_OF.get(body["stage"], body["stage"])
        key = (stage, body["case"], body["round"])
        if event["kind"] == "stage.entered":
            if found and found[-1].stage == stage:
                is_other = key not in open_at
                found[-1] = _again(found[-1], is_other and stage == "subtask")
            else:
                found.append(Step(stage, event["at"], None))
            open_at[key] = len(found) - 1
        elif key in open_at:
            at = open_at[key]
            took_s = (event["at"] - found[at].began).total_seconds()
            found[at] = Step(stage, found[at].began, took_s, found[at].times)
    return found


def _again(step: Step, is_another: bool) -> Step:
    return Step(step.stage, step.began, None, step.times + is_another)


def picture(graph: str, passed: Sequence[Step], is_over: bool) -> Picture:
    """Return the picture of a graph, `task` or `improvement`, with what was passed of it."""
    places = TASK if graph == "task" else IMPROVEMENT
    seen = [one.stage for one in passed if one.stage in places]
    pairs = list(dict.fromkeys(zip(seen, seen[1:], strict=False)))
    stops = [
        Stop(
            x,
            y,
            name.replace("_", " "),
            name in seen,
            not is_over and bool(seen) and name == seen[-1],
            _remark(name, passed),
        )
        for name, (x, y) in places.items()
    ]
    ways = [Way(_curve(places[a], places[b])) for a, b in WAYS[graph] if (a, b) not in pairs]
    gone = [Way(_curve(places[a], places[b]), places[b][0] <= places[a][0]) for a, b in pairs]
    return Picture(stops, ways, gone, _told(passed, is_over))


def _remark(name: str, passed: Sequence[Step]) -> str:
    times = sum(one.times for one in passed if one.stage == name)
    return f"{times} times" if times > 1 else ""


def _told(passed: Sequence[Step], is_over: bool) -> str:
    names = ", ".join(one.name for one in passed)
    return f"{names or 'nothing yet'}{'' if is_over else ', where it is now'}."


def _curve(start: Place, end: Place) -> str:
    (x1, y1), (x2, y2) = start, end
    if y1 == y2 and 0 < x2 - x1 < 220:
        return f"M{x1} {y1} H{x2}"
    if y1 == y2:  # far ahead, or back: in a bow above
        rise = 88 if abs(x2 - x1) > 220 else 62
        return f"M{x1} {y1} C{x1} {y1 - rise} {x2} {y1 - rise} {x2} {y1}"
    middle = (x1 + x2) / 2
    return f"M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}"
