from datetime import UTC, datetime, timedelta
from typing import Any

from agora.domain.health import Check, graded, report

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def beat(check: Check, age_s: float = 0.0, **also: Any) -> dict[str, Any]:
    at = NOW - timedelta(seconds=age_s)
    known = {"at": at, "every_s": 15.0, "failed": "", "failed_at": None}
    return check.as_json() | known | also


def test_all_is_well_where_everything_passes() -> None:
    told = report([beat(Check("store:postgresql", value=0.4, unit="ms"))], NOW, "1.0")
    assert told["status"] == "pass" and told["output"] == ""
    (check,) = told["checks"]["store:postgresql"]
    assert check["observedValue"] == 0.4 and check["componentType"] == "datastore"


def test_a_part_that_is_silent_for_too_long_has_failed() -> None:
    told = report([beat(Check("process:a-1"), 30), beat(Check("process:a-2"), 40)], NOW, "1.0")
    statuses = {name: one["status"] for name, (one,) in told["checks"].items()}
    assert statuses == {"process:a-1": "pass", "process:a-2": "fail"}
    assert told["checks"]["process:a-2"][0]["output"] == "no sign of life for 40 s"


def test_only_the_database_fails_the_whole() -> None:
    dead = beat(Check("model:qwen3:8b", "fail", "connection refused"))
    assert report([dead], NOW, "1.0")["status"] == "warn"
    gone = beat(Check("store:postgresql", "fail", "connection refused"))
    told = report([dead, gone], NOW, "1.0")
    assert told["status"] == "fail"
    assert told["output"] == "not well: model:qwen3:8b, store:postgresql"


def test_a_part_that_is_well_again_still_says_what_it_had() -> None:
    had = beat(Check("store:redis"), failed="connection refused", failed_at=NOW)
    (check,) = report([had], NOW, "1.0")["checks"]["store:redis"]
    assert check["status"] == "pass" and check["last_error"] == "connection refused"


def test_a_measure_warns_and_fails_where_its_limits_are() -> None:
    found = [graded("system:disk", at, 95, 99, "%", "full to").status for at in (94, 95, 99)]
    assert found == ["pass", "warn", "fail"]
