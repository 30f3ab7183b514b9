from typing import Any

from agora.domain.phases import (
    CAPABILITIES,
    above,
    acts_on,
    gates,
    is_chosen,
    shed,
    shut,
)

GOOD: dict[str, Any] = {
    "core_tests": True,
    "tests": True,
    "pages": True,
    "answered": 100,
    "asked": 100,
    "p50_ms": 60.0,
    "rss_mb": 200.0,
    "growth_mb": 2.0,
    "at_once": 12,
    "benefit": "8 of 10 pairs",
}
BASELINE = {"p50_ms": 55.0}


def closed(phase: Any, **but: Any) -> list[str]:
    return [gate.name for gate in shut(gates(GOOD | but, BASELINE), phase)]


def test_a_capability_rises_one_phase_at_a_time() -> None:
    assert [above(one) for one in ("dormant", "isolated", "active", "hybrid")] == [
        "isolated",
        "active",
        "hybrid",
        None,
    ]


def test_all_gates_are_open_to_what_is_good() -> None:
    assert closed("isolated") == closed("active") == closed("hybrid") == []


def test_each_gate_shuts_for_its_own_reason() -> None:
    assert closed("active", p50_ms=67.0) == ["latency"]
    assert closed("active", answered=99) == ["errors"]
    assert closed("active", rss_mb=4096.0) == ["memory"]
    assert closed("active", at_once=10) == ["at once"]
    assert closed("active", growth_mb=100.0) == ["leak"]
    assert closed("active", core_tests=False) == ["core"]
    assert closed("active", pages=None) == ["pages"]


def test_a_machine_that_has_become_slower_is_no_fault_of_a_capability() -> None:
    assert closed("active", p50_ms=110.0, core_ms=100.0) == []
    assert closed("active", p50_ms=130.0, core_ms=100.0) == ["latency"]


def test_only_shown_benefit_makes_a_capability_active_and_only_all_tests_hybrid() -> None:
    assert closed("isolated", benefit=None, tests=None) == []
    assert closed("active", benefit=None, tests=None) == ["benefit"]
    assert closed("hybrid", tests=None) == ["tests"]


def test_without_a_snapshot_there_is_no_baseline_and_no_activation() -> None:
    assert [one.name for one in shut(gates(GOOD, {}), "isolated")] == ["latency"]


def test_an_isolated_capability_acts_on_one_task_in_five() -> None:
    chosen = [is_chosen(f"task-{number}") for number in range(1000)]
    assert 150 < sum(chosen) < 250
    assert acts_on("isolated", "task-1") == chosen[1]
    assert not acts_on("dormant", "task-1") and acts_on("active", "task-1")


def test_overload_sheds_the_heaviest_first_and_nothing_that_is_built_upon() -> None:
    names = shed(dict.fromkeys(CAPABILITIES, "active"))
    assert names[0] == "scout" and "cache" not in names and "healing" not in names
    assert "scout" not in shed({"scout": "hybrid", "pulse": "dormant"})
