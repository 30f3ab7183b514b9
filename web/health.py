"""Health: the parts of the house, one word each."""

from collections.abc import Sequence

from agora import team
from agora.domain import standings
from agora.domain.contracts import Json
from memory import house
from memory.database import Row, Rows


async def parts(connection: Rows, living: Sequence[Row]) -> list[Json]:
    """Return each part with a word, a remark, and whether it is well; `living` opportunities."""
    told = await house.told(connection)
    state, now_s = await team.current().market.standings(), team.current().clock().timestamp()
    servers = {name: standings.server(state, name, now_s) for name in state["servers"]}
    resting = [name for name, one in servers.items() if one["breaker"] != "closed"]
    failing = [row["evidence"].get("tool", "") for row in living if row["kind"] == "failing_tool"]
    alarms = sum(row["kind"] == "alarm" for row in living)
    return [
        _part("Database", "well", f"{told['connections']} of {told['most']} connections"),
        _workers(told),
        _models(len(servers), resting),
        _tools(failing),
        _part("Changes", f"{alarms} alarms" if alarms else "well", "", is_well=not alarms),
    ]


def _part(name: str, word: str, remark: str, is_well: bool = True) -> Json:
    return {"name": name, "word": word, "remark": remark, "is_well": is_well}


def _workers(told: Json) -> Json:
    line = f"{told['jobs']} jobs in line" if told["jobs"] else "no job in line"
    if not told["workers"]:
        return _part("Workers", "none", "start one: agora worker", is_well=False)
    return _part("Workers", f"{told['workers']} at work", line)


def _models(known: int, resting: Sequence[str]) -> Json:
    if not known:
        return _part("Models", "none", "none was asked yet")
    if resting:
        return _part("Models", f"{len(resting)} of {known} rest", ", ".join(resting[:3]), False)
    return _part("Models", f"{known} well", "no breaker open")


def _tools(failing: Sequence[str]) -> Json:
    if failing:
        return _part("Tools", f"{len(failing)} fail", ", ".join(failing[:3]), is_well=False)
    return _part("Tools", "well", "none fails")
