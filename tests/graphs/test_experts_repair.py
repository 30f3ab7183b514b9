"""Experts propose patches: they compete with the search, and meet after two failures."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agora.domain.contracts import Json
from tests.conftest import ask
from tests.improving import APPROVE, Workshop, workshop
from tests.running import Hire

pytestmark = pytest.mark.needs("bubblewrap")
# No edit of one or two places makes this a median.
MIDDLE = "def middle(values: list[int]) -> int:\n    return 0\n"
RIGHT = "def middle(values: list[int]) -> int:\n    return sorted(values)[len(values) // 2]\n"
TESTS = """import pytest

from middle import middle


@pytest.mark.parametrize("values, wanted", [([3, 1, 2], 2), ([9], 9), ([7, 7, 1, 8, 8], 7)])
def test_middle(values, wanted):
    assert middle(values) == wanted
"""
# How long candidates take is the machine's affair.
FEW: Json = {"repair.candidates": 100}
FILES = {"middle.py": MIDDLE, "test_middle.py": TESTS}


def rewrite(code: str, **fields: Any) -> str:
    one: Json = {"why": "sort first", "path": "middle.py", "function": "middle", "code": code}
    return json.dumps({"proposals": [one | fields]})


def is_report(messages: Sequence[Any]) -> bool:
    return "Propose changes of its sources" in str(messages)


async def test_an_experts_rewrite_is_tested_and_proposed_where_the_search_finds_nothing(
    hire: Hire, saver: Any, tmp_path: Path
) -> None:
    staff = hire(lambda messages: rewrite(RIGHT), **FEW)
    shop = workshop(staff.team, saver, tmp_path, FILES)
    state = await shop.begin()
    row = await staff.team.changing.find(state["change_id"])
    assert "+    return sorted(values)[len(values) // 2]" in row["diff"]
    assert row["evidence"]["by"].endswith("@qwen3:8b")
    (prompt,) = [text for text in staff.prompts if "Propose changes" in text]
    assert "def middle" in prompt and "test_middle" in prompt
    assert (await shop.say(APPROVE))["status"] == "fixed"
    assert shop.read("middle.py") == RIGHT
    (judged,) = await staff.events("outcome.judged")
    assert judged["right"] is True and judged["source"] == "tests"


async def test_a_proposal_that_cheats_is_refused_like_any_other(
    hire: Hire, saver: Any, tmp_path: Path
) -> None:
    cheat = "def middle(values: list[int]) -> int:\n    import os\n    os._exit(0)\n"
    staff = hire(lambda messages: rewrite(cheat), **FEW | {"room.seats": 3})
    shop = workshop(staff.team, saver, tmp_path, FILES)
    state = await shop.begin()
    assert state["status"] == "not_found" and shop.is_untouched
    assert {one["right"] for one in await staff.events("outcome.judged")} == {False}


async def test_after_two_failures_a_war_room_meets_and_its_ruling_is_the_next_brief(
    hire: Hire, saver: Any, tmp_path: Path
) -> None:
    ruled = "middle must sort its values and take the one at half of their length"

    def script(messages: Sequence[Any]) -> str:
        if not is_report(messages):
            return json.dumps({"answer": ruled, "confidence": 0.9, "argument": "the tests say so"})
        return rewrite(RIGHT if ruled in str(messages) else MIDDLE.replace("0", "1"))

    staff = hire(script, local=("qwen3:8b", "llama3.1:8b", "mistral:7b"), **FEW)
    shop: Workshop = workshop(staff.team, saver, tmp_path, FILES)
    state = await shop.begin()
    stages = [one for one in shop.passed if one != "__interrupt__"]
    assert stages[:6] == ["detecting", "investigating", "improving", "improving", "improving"] + [
        "convening"
    ]
    assert state["brief"] == ruled
    row = await staff.team.changing.find(state["change_id"])
    assert "sorted(values)" in row["diff"] and shop.is_untouched
    (room,) = await ask(staff.team, "SELECT minutes FROM rooms")
    assert room["minutes"]["ruling"]["answer"] == ruled
