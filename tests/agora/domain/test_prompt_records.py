from typing import Any

from agora.domain import prompt_records as records
from agora.domain.contracts import Json


def told(right: bool, number: int = 0, **more: Any) -> Json:
    one: Json = {"kind": "outcome.judged", "bidder": "risk@qwen3:8b", "prompt": 1, "right": right}
    return one | {"domain": "law", "task_id": f"t{number}", "about": "", "error": ""} | more


def after(*events: Json) -> Json:
    state: Json = {}
    for event in events:
        state = records.step(state, event)
    return state


def drop(state: Json, version: int = 1) -> Json | None:
    return next(iter(records.drops(state, {"risk": version})), None)


def test_steady_mediocrity_rings_after_ten_outcomes() -> None:
    few = [told(n % 2 == 0, n) for n in range(9)]
    assert drop(after(*few)) is None
    found = drop(after(*few, told(False, 9)))
    assert found and (found["why"], found["outcomes"], found["success"]) == ("floor", 10, 0.5)


def test_a_fall_rings_long_before_the_mean_has_fallen() -> None:
    state = after(*[told(True, n) for n in range(90)])
    assert drop(state) is None
    for number in range(90, 105):
        state = records.step(state, told(False, number))
    found = drop(state)
    assert found and found["why"] == "fall" and found["success"] > 0.7


def test_a_version_that_is_not_in_production_rings_for_nobody() -> None:
    state = after(*[told(False, n) for n in range(20)])
    assert drop(state) and drop(state, version=2) is None


def test_one_domain_can_ring_while_all_together_are_well() -> None:
    good = [told(True, n) for n in range(60)]
    bad = [told(False, 100 + n, domain="money") for n in range(10)]
    found = drop(after(*good[:30], *bad[:5], *good[30:], *bad[5:]))
    assert found and found["domain"] == "money"


def test_the_evidence_names_tasks_errors_and_what_they_share() -> None:
    state = after(
        *[
            told(False, n, error="the reply is a refusal", about=f"Is contract {n} valid?")
            for n in range(12)
        ]
    )
    found = drop(state)
    assert found
    assert [one["task"] for one in found["failures"]] == [f"t{n}" for n in range(12)]
    assert found["shared"]["error"] == "the reply is a refusal"
    assert found["shared"]["model"] == "qwen3:8b" and "contract" in found["shared"]["words"]


def test_a_search_lets_the_alarm_rest_until_new_outcomes_ring() -> None:
    state = after(*[told(False, n) for n in range(20)])
    searched = {"kind": "prompt.searched", "expert": "risk", "version": 1}
    state = records.step(state, searched)
    assert drop(state) is None
    for number in range(20, 30):
        state = records.step(state, told(False, number))
    assert drop(state)


def test_a_later_word_turns_an_outcome_in_both_directions() -> None:
    state = after(*[told(True, n) for n in range(10)])
    for number in range(4):
        state = records.step(state, told(False, number, kind="outcome.corrected", error="wrong"))
    found = drop(state)
    assert found and found["success"] == 0.6 and found["outcomes"] == 10
    state = records.step(state, told(True, 0, kind="outcome.corrected"))
    assert drop(state) is None


def test_exercises_and_built_in_experts_ring_for_nobody() -> None:
    state = after(*[told(False, n, is_graded=True) for n in range(20)])
    state = records.step(state, told(False, 30, prompt=None))
    assert state == records.empty()
