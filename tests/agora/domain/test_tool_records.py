from functools import reduce
from typing import Any

from agora.domain.contracts import Json
from agora.domain.tool_records import (
    KEPT_FAILURES,
    alarms,
    baseline,
    failing,
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


def test_a_tool_that_fails_often_enough_is_an_opportunity() -> None:
    (found,) = failing(folded(*outcomes(6, 4)), "/w", 0.70, 10)
    assert (found.kind, found.subject, found.priority) == ("failing_tool", SUBJECT, "medium")
    assert found.evidence["success"] == 0.6
    assert failing(folded(*outcomes(5, 4)), "/w", 0.70, 10) == [], "too few executions"
    assert failing(folded(*outcomes(7, 3)), "/w", 0.70, 10) == [], "not below"
    assert failing(folded(*outcomes(6, 4)), "/else", 0.70, 10) == []
    assert failing({}, "/w", 0.70, 10) == []


def test_the_worst_tool_comes_first_and_is_urgent() -> None:
    other = [judged(False, tool="calc.sub")] * 10
    found = failing(folded(*outcomes(6, 4), *other), "/w", 0.70, 10)
    assert [one.subject for one in found] == ["/w:calc.py:calc.sub", SUBJECT]
    assert found[0].priority == "high"


def test_the_baseline_is_that_of_all_tools_of_the_file() -> None:
    state = folded(*outcomes(3, 1), *[judged(False, tool="calc.sub")] * 4)
    assert baseline(state, "/w", "calc.py") == 3 / 8
    assert baseline(state, "/w", "other.py") is None and baseline({}, "/w", "calc.py") is None


def test_a_change_begins_the_record_of_its_file_anew() -> None:
    elsewhere = judged(False, path="other.py", tool="other.f")
    state = folded(*outcomes(1, 9), elsewhere, changed())
    assert list(state["tools"]) == ["/w:other.py:other.f"]
    assert failing(state, "/w", 0.70, 10) == []


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
