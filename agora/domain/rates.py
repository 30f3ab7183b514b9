"""Rates: how many acts of a kind may be begun within a time; counted where all processes see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from agora.domain.contracts import Act
from agora.domain.settings import RateSettings


@dataclass(frozen=True)
class Rate:
    """At most so many acts under one name within any `every_s` seconds."""

    name: str
    most: int
    every_s: float


def rates_of(limits: Sequence[RateSettings], act: Act) -> list[Rate]:
    """Return the rates that count an act, by name: locks are taken in this order."""
    found = [_rate(one, act) for one in limits if _counts(one, act)]
    return sorted(found, key=lambda rate: rate.name)


def _counts(limit: RateSettings, act: Act) -> bool:
    wanted = ((act.kind, limit.action), (act.subject, limit.subject), (act.actor, limit.actor))
    return all(fnmatchcase(said, pattern) for said, pattern in wanted)


def _rate(limit: RateSettings, act: Act) -> Rate:
    tenant = str(act.facts.get("tenant", "default"))
    whose = {"": "", "tenant": tenant, "actor": act.actor, "subject": act.subject}[limit.per]
    name = f"{limit.action} {limit.subject} {limit.actor} {limit.per}:{whose}"
    return Rate(name, limit.most, limit.every_s)
