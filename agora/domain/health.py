"""Health: checks of parts, and the report that is made of them.

The report is application/health+json (draft-inadarei-api-health-check-06), with the age of each
check in seconds and its last error beside it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from agora.domain.contracts import Json

Status = Literal["pass", "warn", "fail"]
WORST: tuple[Status, ...] = ("pass", "warn", "fail")
MISSED = 2.5
"""So many intervals without a beat are a missed one."""
TYPES = {"store": "datastore", "system": "system"}


@dataclass(frozen=True)
class Check:
    """How one part is: `name` is kind:which, `said` what is wrong with it."""

    name: str
    status: Status = "pass"
    said: str = ""
    value: float | None = None
    unit: str = ""

    @property
    def kind(self) -> str:
        """Return router, store, scheduler, process, tools, model or system."""
        return self.name.partition(":")[0]

    def as_json(self) -> Json:
        """Return what a row holds."""
        return asdict(self) | {"kind": self.kind}


def graded(name: str, value: float, warn: float, fail: float, unit: str, of: str) -> Check:
    """Return a check of a measure that is the worse the higher it is; `of` says what it is."""
    if value < warn:
        return Check(name, value=value, unit=unit)
    status: Status = "fail" if value >= fail else "warn"
    return Check(name, status, f"{of} {value:.4g} {unit}, more than {warn:.4g}", value, unit)


def is_missed(beat: Mapping[str, Any], now: datetime) -> bool:
    """Return whether a part has been silent for too long."""
    return bool((now - beat["at"]).total_seconds() > MISSED * beat["every_s"])


def worst(statuses: Iterable[Status]) -> Status:
    """Return the worst of some statuses; pass where there is none."""
    return max(statuses, key=WORST.index, default="pass")


def report(beats: Iterable[Mapping[str, Any]], now: datetime, version: str) -> Json:
    """Return application/health+json. What the whole rests on fails it, all else warns."""
    checks: dict[str, list[Json]] = {}
    statuses: list[Status] = []
    for beat in beats:
        told = _told(beat, now)
        checks[beat["name"]] = [told]
        is_vital = beat["name"] == "store:postgresql" or told["status"] != "fail"
        statuses.append(told["status"] if is_vital else "warn")
    status = worst(statuses)
    wrong = sorted(name for name, (one,) in checks.items() if one["status"] != "pass")
    return {
        "status": status,
        "version": "1",
        "releaseId": version,
        "serviceId": "agora",
        "description": "the health of Agora and of all that it rests on",
        "output": f"not well: {', '.join(wrong)}" if wrong else "",
        "checks": checks,
    }


def _told(beat: Mapping[str, Any], now: datetime) -> Json:
    age_s = max(0.0, (now - beat["at"]).total_seconds())
    missed = is_missed(beat, now)
    said = f"no sign of life for {age_s:.0f} s" if missed else beat["said"]
    told: Json = {
        "componentId": beat["name"],
        "componentType": TYPES.get(beat["kind"], "component"),
        "status": "fail" if missed else beat["status"],
        "time": beat["at"].isoformat(),
        "age_s": round(age_s, 3),
        "last_error": beat["failed"],
    }
    if beat["failed_at"]:
        told["last_error_at"] = beat["failed_at"].isoformat()
    if beat["value"] is not None:
        told |= {"observedValue": beat["value"], "observedUnit": beat["unit"]}
    return told | ({"output": said} if said else {})
