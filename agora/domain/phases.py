"""Capabilities around the stable core, and the phases that each of them goes through.

The core (contracts, auction, execution, checkpoints, claims) works with all of them off.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from agora.domain.contracts import Json

Phase = Literal["dormant", "isolated", "active", "hybrid"]
PHASES: tuple[Phase, ...] = ("dormant", "isolated", "active", "hybrid")
SHIPPED: Phase = "active"
"""What is shipped has been measured by the benchmarks; only an installation makes it hybrid."""
ISOLATED_SHARE = 5
"""An isolated capability acts on one task in so many: the others are what it is compared with."""
FAILURES = 3
"""So many failures in a row pause a capability; so many paused ones stop all activation."""
SLOWER, ERRORS, MEMORY_MB, AT_ONCE = 1.20, 0.01, 4096.0, 10
"""What the gates allow: of the baseline's latency, of tasks, of memory; and tasks at once."""


@dataclass(frozen=True)
class Capability:
    """What may be switched off without the core noticing; `weight` is shed first where largest."""

    name: str
    about: str
    weight: int


CAPABILITIES: Mapping[str, Capability] = {
    one.name: one
    for one in (
        Capability("pulse", "a summary of now, for tasks and people", 4),
        Capability("cache", "the same question gets the answer that is known", 0),
        Capability("memories", "tasks are told of earlier work", 2),
        Capability("planning", "tasks are done in parts", 3),
        Capability("synthesis", "two experts' answers are joined into one", 3),
        Capability("war_room", "several experts meet where one is not enough", 1),
        Capability("scout", "news are read, and likely questions answered ahead", 5),
        Capability("prompts", "an expert whose success drops is rewritten", 3),
        Capability("trials", "some tasks are done another way, too, to compare", 4),
        Capability("loop", "workspaces are looked after for ever", 4),
        Capability("healing", "faults are mended without a person", 0),
        Capability("telemetry", "traces and metrics go where OTEL_* says", 2),
    )
}
SHEDDABLE = 2
"""Capabilities of this weight and more wait while the machine is overloaded."""


def acts_on(phase: Phase, case_id: str) -> bool:
    """Return whether a capability acts on a case; the same for each of its stages."""
    if phase == "isolated":
        return case_id != "" and is_chosen(case_id)
    return phase in ("active", "hybrid")


def is_chosen(case_id: str) -> bool:
    """Return whether a case is among those that isolated capabilities act on."""
    return int.from_bytes(sha256(case_id.encode()).digest()[:4]) % ISOLATED_SHARE == 0


def above(phase: Phase) -> Phase | None:
    """Return the next phase, or None."""
    at = PHASES.index(phase) + 1
    return PHASES[at] if at < len(PHASES) else None


def shed(phases: Mapping[str, Phase]) -> list[str]:
    """Return what waits under overload, heaviest first; hybrid ones are built upon, and stay."""
    weighed = [one for one in CAPABILITIES.values() if one.weight >= SHEDDABLE]
    able = [one for one in weighed if phases.get(one.name) in ("isolated", "active")]
    return [one.name for one in sorted(able, key=lambda one: (-one.weight, one.name))]


@dataclass(frozen=True)
class Gate:
    """One condition of an activation, and how it was met; None: not measured, which is a no."""

    name: str
    said: str
    is_open: bool | None

    def as_json(self) -> Json:
        """Return what a record keeps."""
        return {"gate": self.name, "said": self.said, "is_open": self.is_open}


def gates(measured: Json, baseline: Json) -> list[Gate]:
    """Return every gate between a capability and its next phase.

    `measured` holds core_tests and tests (None where not run), pages, answered, asked, p50_ms,
    core_ms (the same without it, just now), rss_mb, growth_mb, at_once and benefit (a sentence, or
    None); `baseline` the p50_ms of the last snapshot. A machine that has become slower is no
    fault of a capability's.
    """
    errors = 1 - measured["answered"] / measured["asked"] if measured["asked"] else 1.0
    usual = baseline.get("p50_ms") and max(baseline["p50_ms"], measured.get("core_ms", 0.0))
    slower = measured["p50_ms"] / usual if usual else None
    said = "no snapshot holds a baseline: agora snapshot create"
    if slower is not None:
        said = f"{measured['p50_ms']:.0f} ms, {slower:.2f} times the baseline"
    return [
        Gate("core", _told(measured, "core_tests"), measured["core_tests"]),
        Gate("pages", _told(measured, "pages"), measured["pages"]),
        Gate("tests", _told(measured, "tests"), measured["tests"]),
        Gate("leak", f"{measured['growth_mb']:.1f} MiB grown", measured["growth_mb"] < LEAK_MB),
        Gate("latency", said, None if slower is None else slower <= SLOWER),
        Gate("errors", f"{100 * errors:.1f} % of {measured['asked']} tasks", errors < ERRORS),
        Gate("memory", f"{measured['rss_mb']:.0f} MiB", measured["rss_mb"] < MEMORY_MB),
        Gate("at once", f"{measured['at_once']} tasks", measured["at_once"] > AT_ONCE),
        Gate("benefit", measured["benefit"] or "not shown yet", bool(measured["benefit"]) or None),
    ]


LEAK_MB = 64.0
"""What a process may grow by over the tasks of a self-test; first uses load what then stays."""


def needed(phase: Phase) -> frozenset[str]:
    """Return the gates before a phase: benefit only shows where a capability has acted."""
    every = {"core", "pages", "leak", "errors", "memory", "at once", "latency"}
    if phase == "isolated":
        return frozenset(every)
    return frozenset(every | ({"benefit"} if phase == "active" else {"benefit", "tests"}))


def shut(found: list[Gate], phase: Phase) -> list[Gate]:
    """Return the gates that keep a capability from a phase."""
    return [one for one in found if one.name in needed(phase) and not one.is_open]


def _told(measured: Json, name: str) -> str:
    return {True: "pass", False: "fail", None: "not run"}[measured[name]]
