from functools import reduce
from typing import Any

from agora.domain.contracts import Json
from agora.domain.tool_records import (
    KEPT_FAILURES,
    alarms,
    baseline,
    is_no_faster,
    rate,
    step,
    subject_of,
)

PLACE = {"workspace": "/w", "path": "calc.py", "tool": "calc.add"}
SUBJECT = "/w:calc.py:calc.add"


def judged(right: bool, **more: Any) -> Json:
    told = {"arguments": {"a": 1}, "error": None if right else "E", "line": 3, "at": "now"}
    return PLACE | told | {"kind": "tool.judged", "is_right": right} | more


def changed(kind: str = "change.applied", **more: Any) -> Json:
    told = {"workspace": "/w", "subject": "calc.py", "change": "c1", "baseline": 0.95}
    return {"kind": kind} | told | more


def folded(*events: Json) -> Json:
    start: Json = {}
    return reduce(step, events, start)


def outcomes(right: int, wrong: int) -> list[Json]:
    return [judged(True)] * right + [judged(False)] * wrong


def test_executions_are_counted_and_failures_kept() -> None:
    assert subject_of(PLACE) == SUBJECT
    tool = folded(*outcomes(6, 4))["tools"][SUBJECT]
    assert (tool["executions"], tool["right"], rate(tool)) == (10, 6, 0.6)
    assert tool["failures"][0] == {"arguments": {"a": 1}, "error": "E", "line": 3, "at": "now"}
    many = folded(*(judged(False, line=n) for n in range(50)))["tools"][SUBJECT]
    assert [one["line"] for one in many["failures"]] == list(range(50 - KEPT_FAILURES, 50))


def test_what_trends_are_read_from_is_kept_and_bounded() -> None:
    calls = [judged(True, latency_s=n / 1000) for n in range(100)]
    tool = folded(*calls, judged(False, latency_s=9))["tools"][SUBJECT]
    assert tool["outcomes"] == "1" * 59 + "0"
    assert tool["latencies"] == [n / 1000 for n in range(40, 100)], "of right calls alone"


def test_a_change_is_watched_until_its_window_has_passed() -> None:
    begun = changed(at="2026-01-01T00:00", until="2026-01-02T00:00")
    late = [judged(False, at="2026-01-03T00:00")] * 20
    assert alarms(folded(begun, *late)) == []
    assert alarms(folded(begun, *[judged(False, at="2026-01-01T12:00")] * 20, *late)) == ["c1"]
    after = changed(change="c2", subject="other.py", at="2026-01-03T00:00", until=None)
    assert list(folded(begun, after)["watches"]) == ["c2"]


def test_a_simulated_day_goes_by_the_teams_own_clock() -> None:
    begun = changed(at="2030-01-01T00:00", when="2026-01-01T00:00", until="2026-01-02T00:00")
    state = folded(begun, *[judged(False, at="2030-01-01T00:00", when="2026-01-01T01:00")] * 20)
    assert alarms(state) == ["c1"]
    assert state["tools"][SUBJECT]["failures"][0]["at"] == "2026-01-01T01:00"


def test_the_baseline_is_that_of_all_tools_of_the_file() -> None:
    state = folded(*outcomes(3, 1), *[judged(False, tool="calc.sub")] * 4)
    assert baseline(state, "/w", "calc.py") == 3 / 8
    assert baseline(state, "/w", "other.py") is None and baseline({}, "/w", "calc.py") is None


def test_a_change_begins_the_record_of_its_file_anew() -> None:
    elsewhere = judged(False, path="other.py", tool="other.f")
    state = folded(*outcomes(1, 9), elsewhere, changed())
    assert list(state["tools"]) == ["/w:other.py:other.f"]


def test_a_change_that_breaks_its_file_raises_an_alarm() -> None:
    assert alarms({}) == []
    assert alarms(folded(changed(), *outcomes(40, 0))) == []
    state = folded(changed(), *outcomes(0, 20))
    assert alarms(state) == ["c1"]
    watch = state["watches"]["c1"]
    assert watch["outcomes"] == 20 and len(watch["failures"]) == 20
    assert alarms(folded(changed(), *outcomes(0, 20), *outcomes(50, 0))) == ["c1"], "it stays"


def test_a_change_is_watched_over_its_own_file_only() -> None:
    elsewhere = [judged(False, path="other.py")] * 20
    foreign = [judged(False, workspace="/else")] * 20
    assert alarms(folded(changed(), *elsewhere, *foreign)) == []


def test_a_file_that_nobody_had_called_is_expected_to_work() -> None:
    assert alarms(folded(changed(baseline=None), *outcomes(0, 10))) == ["c1"]


def test_what_was_taken_back_is_watched_no_longer() -> None:
    state = folded(changed(), *outcomes(0, 20), changed("change.reverted"))
    assert alarms(state) == [] and state["tools"] == {}


def test_the_given_state_stays_as_it_was() -> None:
    before = folded(changed(), *outcomes(1, 1))
    copy = step(before, judged(True))
    assert before["tools"][SUBJECT]["executions"] == 2 and copy is not before


def test_a_change_that_makes_no_call_shorter_raises_an_alarm_after_ten_of_them() -> None:
    speed = {"tool": PLACE["tool"], "latency_s": 2.0}
    begun = changed(speed=speed, at="2026-01-01T00:00", until="2026-01-02T00:00")

    def calls(count: int, seconds: float, **more: Any) -> list[Json]:
        return [judged(True, latency_s=seconds, at="2026-01-01T01:00", **more)] * count

    assert alarms(folded(begun, *calls(9, 2.1))) == [], "too few to say"
    assert alarms(folded(begun, *calls(10, 1.0))) == [], "it is faster"
    assert alarms(folded(begun, *calls(10, 2.1, tool="calc.sub"))) == [], "another tool"
    assert alarms(folded(changed(), *calls(10, 2.1))) == [], "none that was to become faster"
    slow = folded(begun, *calls(10, 2.1))
    assert alarms(slow) == ["c1"] and is_no_faster(slow["watches"]["c1"])
    assert alarms(folded(begun, *calls(10, 2.1), *calls(10, 0.1))) == ["c1"], "it stays"
