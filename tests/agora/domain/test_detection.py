from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import pytest

from agora.domain.contracts import Json, Opportunity
from agora.domain.detection import analyzed, findings, has_slowed, is_rising, p_rise
from agora.domain.loops import PRESETS, preset
from agora.domain.tool_records import step

NOW = datetime(2026, 1, 10, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=3)
PLACE = {"workspace": "/w", "path": "calc.py", "tool": "calc.add"}
SUBJECT = "/w:calc.py:calc.add"


def judged(right: bool, at: datetime = LONG_AGO, **more: Any) -> Json:
    told: Json = {"kind": "tool.judged", "is_right": right, "arguments": {}, "error": None}
    return PLACE | told | {"line": 3, "at": at.isoformat()} | more


def outcomes(right: int, wrong: int, **more: Any) -> list[Json]:
    return [judged(True, **more)] * right + [judged(False, **more)] * wrong


def found(*events: Json, name: str = "default", workspace: str = "/w") -> list[Opportunity]:
    state: Json = reduce(step, events, {})
    return findings(state, workspace, preset(name), NOW, slow_s=1.0)


def test_a_tool_that_fails_often_enough_is_an_opportunity() -> None:
    (one,) = found(*outcomes(6, 4))
    assert (one.kind, one.subject, one.priority) == ("failing_tool", SUBJECT, "medium")
    assert one.evidence["success"] == 0.6 and one.evidence["signs"] == ["low_success"]
    assert found(*outcomes(5, 4)) == [], "too few executions"
    assert found(*outcomes(7, 3)) == [], "not below"
    assert found(*outcomes(6, 4), workspace="/else") == [] and found() == []


@pytest.mark.parametrize(
    ("name", "right", "wrong", "is_found"),
    [
        ("default", 6, 4, True),
        ("development", 2, 1, True),
        ("development", 2, 0, False),
        ("production", 6, 4, False),
        ("production", 34, 16, True),
        ("aggressive", 4, 1, False),
        ("aggressive", 3, 2, True),
    ],
)
def test_a_preset_says_when_a_tool_fails(name: str, right: int, wrong: int, is_found: bool) -> None:
    assert bool(found(*outcomes(right, wrong), name=name)) is is_found


def test_the_presets_are_as_documented() -> None:
    told = {
        name: (one.interval_s, one.maintenance_h, one.executions, one.below)
        for name, one in PRESETS.items()
    }
    assert told == {
        "default": (300, 24, 10, 0.70),
        "development": (60, 1, 3, 0.80),
        "production": (1800, 24, 50, 0.70),
        "aggressive": (300, 6, 5, 0.75),
    }


def test_the_worst_tool_comes_first_and_is_urgent() -> None:
    other = [judged(False, tool="calc.sub")] * 10
    worst, next_one = found(*outcomes(6, 4), *other)
    assert [worst.subject, next_one.subject] == ["/w:calc.py:calc.sub", SUBJECT]
    assert (worst.priority, next_one.priority) == ("high", "medium")
    assert analyzed(reduce(step, other, {}), "/w") == 1


def test_more_than_three_failures_in_a_day_are_a_sign_whatever_the_share() -> None:
    hour = NOW - timedelta(hours=1)
    (one,) = found(*outcomes(1, 4, at=hour), *outcomes(50, 0))
    assert one.evidence["signs"] == ["frequent_failures"] and one.priority == "medium"
    assert found(*outcomes(50, 3, at=hour)) == [], "not more than three"
    assert found(*outcomes(50, 4)) == [], "long ago"


def test_failures_that_become_more_are_a_sign_before_the_tool_is_bad() -> None:
    (one,) = found(*outcomes(40, 0), *outcomes(14, 6))
    assert one.evidence["signs"] == ["rising_failures"]
    assert found(*outcomes(40, 0), *outcomes(18, 2)) == [], "may be chance"
    assert not is_rising("1" * 30 + "0" * 9), "too few to compare"
    assert not is_rising("0" * 8 + "1" * 12 + "0" * 8 + "1" * 12), "as many as before"
    assert p_rise(0, 5, 20) == pytest.approx(0.0236, abs=1e-4)
    assert p_rise(0, 0, 20) == 1


def test_a_tool_that_has_become_slow_is_an_opportunity_that_must_change_no_result() -> None:
    fast = [judged(True, latency_s=0.010 + n / 10_000) for n in range(30)]
    slow = [judged(True, latency_s=0.100)] * 10
    (one,) = found(*fast, *slow)
    assert (one.kind, one.priority) == ("slow_tool", "low")
    assert one.evidence["signs"] == ["latency_regression"] and one.evidence["must_equal"]
    assert found(*fast, *slow[:5]) == [], "half of the newest are as fast as ever"
    assert not has_slowed([0.001] * 30 + [0.003] * 10), "nobody notices two milliseconds"
    assert not has_slowed([0.01] * 15 + [0.9] * 10), "too few to compare"


def test_a_sound_but_slow_tool_is_an_opportunity() -> None:
    (one,) = found(*outcomes(12, 0, latency_s=1.5))
    assert one.kind == "slow_tool" and one.evidence["signs"] == ["sound_but_slow"]
    assert found(*outcomes(12, 0, latency_s=0.5)) == []


def test_a_failing_tool_that_is_also_slow_is_one_opportunity() -> None:
    (one,) = found(*outcomes(20, 30, latency_s=0.01), *outcomes(10, 0, latency_s=0.2))
    assert one.kind == "failing_tool" and "must_equal" not in one.evidence
    assert set(one.evidence["signs"]) == {"low_success", "latency_regression"}
