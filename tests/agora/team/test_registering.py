import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agora.domain.contracts import Json
from agora.domain.errors import UsageError
from agora.domain.settings import Settings, load
from agora.team import Team, assemble
from tests.conftest import ask, commit, repository, sh
from tests.reading import ROOT

PRICES = '''def total(price: float, count: int) -> float:
    """Return what pieces cost together."""
    return price * count


def reversed_text(text: str) -> str:
    """Return the letters of a text in the opposite order."""
    return text[::-1]
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return repository(tmp_path / "workspace", {"prices.py": PRICES, "notes.txt": "mine\n"})


async def use(team: Team, root: Path, calls: int, name: str = "prices.total") -> None:
    place = {"workspace": str(root), "path": "prices.py", "tool": name}
    for _ in range(calls):
        told: Json = place | {"is_right": True, "arguments": {}, "error": None, "actor": "operator"}
        await team.watching.judge(told, "use")


async def alerts(team: Team) -> list[str]:
    return [row["text"] for row in await ask(team, "SELECT text FROM alerts ORDER BY at")]


async def test_the_registry_follows_the_files(team: Team, root: Path) -> None:
    where, sync = str(root), team.registering.sync
    assert (await sync(where, dry_run=True)).added == ("prices.reversed_text", "prices.total")
    assert len((await sync(where)).added) == 2 and (await sync(where)).same == 2
    (root / "prices.py").write_text(PRICES.replace("price * count", "count * price"))
    assert (await sync(where)).changed == ("prices.total",)
    (root / "prices.py").write_text("def total(:\n")
    assert (await sync(where)).gone == (), "a file that does not parse has lost nothing"
    (root / "prices.py").write_text(PRICES.partition("\n\n\n")[0] + "\n")
    assert (await sync(where)).gone == ("prices.reversed_text",)
    (root / "prices.py").write_text(PRICES)
    assert (await sync(where)).added == ("prices.reversed_text",)
    assert await alerts(team) == [], "nobody has ever called it"


async def test_whoever_loses_a_valuable_tool_is_told_and_gets_it_back(
    team: Team, root: Path
) -> None:
    where = str(root)
    await team.registering.sync(where)
    await use(team, root, 6)
    assert await team.registering.value(where, "prices.total") == 6
    sh(root, "git", "rm", "-q", "prices.py")
    commit(root, "clean up")
    assert len((await team.registering.sync(where)).gone) == 2
    (told,) = await alerts(team)
    assert "was worth 6.0" in told and "agora tools restore prices.total" in told
    back = await team.registering.restore(where, "prices.total")
    assert (root / "prices.py").read_text() == PRICES
    assert sh(root, "git", "rev-parse", "HEAD") == back["commit"]
    living = [row["name"] for row in await team.registering.known(where) if not row["gone_at"]]
    assert living == ["prices.reversed_text", "prices.total"]


async def test_a_deletion_is_a_commit_that_can_be_rolled_back(team: Team, root: Path) -> None:
    where = str(root)
    await use(team, root, 9)
    told = await team.registering.delete(where, "prices.total")
    assert told["value"] == 9 and len(await alerts(team)) == 1
    assert "def total" not in (root / "prices.py").read_text()
    await team.changing.roll_back(told["change_id"], "2026-01-01T00:00:00Z")
    assert (root / "prices.py").read_text() == PRICES
    with pytest.raises(UsageError, match="is not gone"):
        await team.registering.restore(where, "nosuch")


async def test_a_tool_with_a_stand_in_is_worth_nothing(team: Team, root: Path) -> None:
    (root / "other.py").write_text(PRICES.partition("\n\n\n")[0] + "\n")
    commit(root, "the same again")
    await team.registering.sync(str(root))
    await use(team, root, 9)
    assert await team.registering.value(str(root), "prices.total") == 0


async def test_tools_are_found_by_meaning(team: Team, root: Path) -> None:
    found = await team.registering.near(str(root), "turn a string around")
    assert found[0][1].name == "prices.reversed_text"
    found = await team.registering.near(str(root), "how expensive are several items")
    assert found[0][1].name == "prices.total"


@pytest.fixture
async def served(settings: Settings) -> AsyncIterator[Team]:
    command = (sys.executable, "-W", "ignore", str(ROOT / "tests" / "mcp_server.py"))
    mcp = {"weather": {"command": command}, "dead": {"url": "http://127.0.0.1:1/mcp"}}
    stated = {"database.url": settings.database.url, "home": settings.home}
    team = assemble(load({}, **stated | {"tools.mcp": mcp, "tools.look_s": 120.0}))
    yield team
    await team.database.close()


async def test_an_mcp_servers_tools_stand_beside_the_workspaces_own(
    served: Team, root: Path
) -> None:
    team, where = served, str(root)
    told = await team.registering.sync(where)
    assert [name for name in told.added if name.startswith("weather.")] == [
        "weather.broken",
        "weather.forecast",
        "weather.warmest",
    ]
    assert any("the MCP server dead does not answer" in text for text in await alerts(team))
    tools = {tool.name: tool for tool in await team.tooling.of(where)}
    assert tools["weather.warmest"].tags == ("reads", "untrusted")
    assert tools["weather.forecast"].tags == ("network", "sends", "untrusted", "writes")
    assert tools["weather.warmest"].kind == "mcp" and "prices.total" in tools

    call = await team.tooling.run(where, "weather.warmest", {"celsius": [3.5, 21.0]})
    assert call.error is None and call.result == 21.0
    call = await team.tooling.run(where, "weather.forecast", {"city": "Rome"})
    assert call.result == "sun in Rome"
    call = await team.tooling.run(where, "weather.broken", {"city": "Rome"})
    assert call.error and "no Rome" in call.error
    with pytest.raises(UsageError, match="city is missing"):
        await team.tooling.run(where, "weather.forecast", {})
    records = (await team.watching.records())["tools"]
    assert records[f"{where}:mcp:weather:weather.broken"]["right"] == 0
    acts = await ask(team, "SELECT kind FROM acts WHERE starts_with(subject, 'weather.')")
    assert [act["kind"] for act in acts].count("call_tool") == 3
    silent: Any = await team.registering.sync(where, servers=False)
    assert silent.gone == () and silent.same == 2, "the server is not looked at"
