from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agora.domain.contracts import Json
from agora.domain.settings import Settings
from agora.team import Team, assemble
from tests.conftest import ask, commit, repository

SANDBOXED = pytest.mark.needs("bubblewrap")
TOOLS = '''import math


def average(numbers: list[float]) -> float:
    """Return the mean of some numbers."""
    return sum(numbers) / len(numbers)


def root(number: int) -> float:
    """Return the square root of a number."""
    if number < 0:
        raise ValueError("a root needs a number from 0 on")
    return math.sqrt(number)


def sorted_words(text: str) -> str:
    """Return the words of a text in alphabetical order."""
    return " ".join(sorted(text.split()))
'''
OTHER = '''def words_in_order(sentence: str) -> str:
    """Return the words of a sentence sorted alphabetically."""
    words = sentence.split()
    words.sort()
    return " ".join(words)


def shouted(text: str) -> str:
    """Return the words of a text in capital letters."""
    return text.upper()
'''


class Hands:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
async def keeping(settings: Settings, clock: Hands) -> AsyncIterator[Team]:
    few = settings.repair.model_copy(update={"probes": 25})
    team = assemble(settings.model_copy(update={"repair": few}), clock)
    yield team
    await team.database.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return repository(tmp_path / "workspace", {"stats.py": TOOLS, "order.py": OTHER})


async def living(team: Team) -> dict[str, Json]:
    rows: Any = await ask(team, "SELECT * FROM opportunities WHERE status <> 'closed'")
    return {row["subject"].rpartition(":")[2]: row for row in rows}


@SANDBOXED
async def test_a_crash_is_found_before_a_user_meets_it_and_so_is_a_double(
    keeping: Team, root: Path
) -> None:
    told = await keeping.maintaining.maintain(str(root))
    assert told["predicted"] == ["stats.average"] and told["duplicates"] == ["stats.sorted_words"]
    assert told["found"] == 2 and len(told["added"]) == 5
    found = await living(keeping)
    assert found["stats.average"]["kind"] == "predicted_fault"
    evidence = found["stats.average"]["evidence"]
    assert evidence["crash"]["arguments"] == {"numbers": []}, "as small as it gets"
    assert "stats.average(numbers=[]): ZeroDivisionError" in evidence["fault"]
    assert "stats.py:6" in evidence["fault"]
    assert found["stats.sorted_words"]["evidence"]["same_as"] == "order.words_in_order"
    assert "stats.root" not in found, "it says on purpose what it does not take"

    again = await keeping.maintaining.maintain(str(root))
    assert again["predicted"] == [] and again["found"] == 0, "nothing has changed"
    (root / "stats.py").write_text(TOOLS.replace("/ len(numbers)", "/ max(1, len(numbers))"))
    commit(root, "mend it")
    again = await keeping.maintaining.maintain(str(root))
    assert again["changed"] == ["stats.average"] and again["predicted"] == []


@SANDBOXED
async def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    keeping: Team, root: Path
) -> None:
    told = await keeping.maintaining.maintain(str(root), dry_run=True)
    assert told["dry_run"] and len(told["added"]) == 5
    assert await ask(keeping, "SELECT FROM tools") == [] and await living(keeping) == {}
    assert await ask(keeping, "SELECT FROM acts") == []
    await keeping.registering.sync(str(root))
    told = await keeping.maintaining.maintain(str(root), dry_run=True)
    assert len(told["to_probe"]) == 5


async def test_unused_tools_are_found_and_gone_ones_are_put_away(
    keeping: Team, root: Path, clock: Hands
) -> None:
    where = str(root)
    await keeping.registering.sync(where)
    clock.now += timedelta(days=20)
    place = {"workspace": where, "path": "stats.py", "tool": "stats.root"}
    await keeping.watching.judge(place | {"is_right": True, "arguments": {}}, "use")
    clock.now += timedelta(days=11)
    told = await keeping.maintaining.maintain(where, dry_run=True)
    assert sorted(told["unused"]) == [
        "order.shouted",
        "order.words_in_order",
        "stats.average",
        "stats.sorted_words",
    ]
    unused = await keeping.maintaining._unused(where, await keeping.registering.known(where))
    assert await keeping.watching.open_each(unused) == 4
    (root / "order.py").write_text("")
    told = await keeping.maintaining.maintain(where, dry_run=True)
    assert sorted(told["gone"]) == ["order.shouted", "order.words_in_order"]
    await keeping.registering.sync(where)
    told = await keeping.maintaining.maintain(where, dry_run=True)
    assert len(told["reconciled"]) == 2
    clock.now += timedelta(days=91)
    told = await keeping.maintaining.maintain(where, dry_run=True)
    assert sorted(told["archived"]["tools"]) == ["order.shouted", "order.words_in_order"]


@SANDBOXED
async def test_what_one_maintenance_has_no_time_for_the_next_one_tries(
    settings: Settings, root: Path
) -> None:
    brief = settings.repair.model_copy(update={"probes": 5, "probe_s": 0.001})
    team = assemble(settings.model_copy(update={"repair": brief}))
    left = [(await team.maintaining.maintain(str(root)))["left"] for _ in range(6)]
    await team.database.close()
    assert left == [4, 3, 2, 1, 0, 0]
