"""Activation: what is measured before a capability may rise, and the trial that shows its use."""

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from agora.app import selftest, snapshots
from agora.domain import phases
from agora.domain.contracts import Json
from agora.domain.phases import CAPABILITIES, Gate
from agora.team import Team
from agora.team.capabilities import FAILED, GateShutError
from memory import benefits

EVER = datetime(2000, 1, 1, tzinfo=UTC)
Tell = Callable[[str], None]


async def activate(team: Team, name: str, tell: Tell, by: str = "operator") -> Json:
    """Measure all gates and move a capability up by one phase; raise GateShutError."""
    found = await gates(team, name, tell)
    phase = await team.capabilities.activate(name, found, by)
    if phase == "isolated":
        await team.proving.open("capability", name, {"phase": phase})
    return {"name": name, "phase": phase, "gates": [one.as_json() for one in found]}


async def gates(team: Team, name: str, tell: Tell) -> list[Gate]:
    """Return every gate before the next phase of a capability, measured now, the dear one last.

    Raises GateShutError at once where no gate can open: nothing is measured for nothing.
    """
    wanted = await team.capabilities.next_phase(name)
    baseline = (await snapshots.newest(team)).get("baseline", {})
    if not baseline:
        raise GateShutError(
            f"no snapshot holds a baseline that {name} could be measured against",
            "agora snapshot create",
        )
    measured = await _measured(team, name, tell)
    found = phases.gates(measured, baseline)
    if phases.shut(found, wanted) != [one for one in found if one.name == "tests"]:
        return found
    tell("running all tests: minutes")
    measured["tests"] = await selftest.tested(team.settings.health.all_tests)
    return phases.gates(measured, baseline)


async def _measured(team: Team, name: str, tell: Tell) -> Json:
    others = [one for one in CAPABILITIES if team.capabilities.has(one) and one != name]
    tell(f"asking the core with {name}")
    measured = await selftest.measured([*others, name])
    tell("asking the core without it")
    measured["core_ms"] = (await selftest.measured(others))["p50_ms"]
    tell("testing the core with everything off")
    measured["core_tests"] = await selftest.tested(selftest.CORE, off=list(CAPABILITIES))
    return measured | {"benefit": await benefit(team, name), "tests": None}


async def benefit(team: Team, name: str) -> str | None:
    """Return in words what a capability was good for since it was last moved; None: unknown."""
    async with team.database.autocommit() as connection:
        shown = await benefits.shown(connection, {name: team.capabilities.since(name) or EVER})
    return shown.get(name)


async def compare(team: Team) -> dict[str, str]:
    """Pair the tasks that isolated capabilities have acted on with others; return the verdicts.

    Which tasks they act on is decided by a hash, so that a pair of one domain differs in nothing
    else but chance.
    """
    verdicts: dict[str, str] = {}
    for name in team.capabilities.known:
        trial = await _trial(team, name)
        if trial is None:
            continue
        async with team.database.autocommit() as connection:
            rows = await benefits.ended(connection, team.capabilities.since(name) or EVER)
        for chosen, other in pairs(rows):
            task_id = f"{chosen['id']}+{other['id']}"
            said = await team.proving.pair(
                trial["id"], task_id, other["is_right"], chosen["is_right"]
            )
            verdicts[name] = said
        if verdicts.get(name) == "drop":
            await team.capabilities.deactivate(name, "its trial was lost", "agora")
            await team.capabilities.pause(name, f"{FAILED}its trial was lost")
    return verdicts


async def _trial(team: Team, name: str) -> Any:
    is_tried = team.capabilities.phase(name) == "isolated" and team.capabilities.has(name)
    return await team.proving.living("capability", name) if is_tried else None


def pairs(rows: list[Any]) -> list[tuple[Any, Any]]:
    """Return each task that was acted on with one of its domain that was not, in their order."""
    chosen, others = defaultdict[str, list[Any]](list), defaultdict[str, list[Any]](list)
    for row in rows:
        (chosen if phases.is_chosen(row["id"]) else others)[row["domain"]].append(row)
    return [
        pair for domain, ours in chosen.items() for pair in zip(ours, others[domain], strict=False)
    ]
