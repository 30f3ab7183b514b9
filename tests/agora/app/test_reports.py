from pathlib import Path
from typing import Any

from agora.app import audits, explanations, reports
from agora.domain.figures import FORMULAS, changed
from agora.team import Team
from agora.team.acting import standing_alone
from tests.conftest import ask, repository
from tests.running import Hire

NONE_YET = (
    "task_completion",
    "autonomy_index",
    "self_healing_coverage",
    "deployment_confidence_s",
    "knowledge_freshness_s",
)


async def test_before_anything_has_happened_there_is_nothing_to_count(team: Team) -> None:
    told = await reports.figures(team)
    assert [told[name] for name in NONE_YET] == [None] * 5
    assert (told["human_interventions"], told["safety_incidents"], told["total_power"]) == (0, 0, 0)
    assert told["by_domain"] == told["by_tool"] == {}
    assert set(FORMULAS) <= set(told)


async def test_tasks_are_counted_by_domain_and_by_who_had_a_part_in_them(
    hire: Hire, tmp_path: Path
) -> None:
    staff = hire()
    await staff.ask("Which port does the regex library use?", on="a", domain="software")
    second = await staff.ask("Is this contract valid?", on="b", domain="law")
    assert second["status"] == "answered"
    (row,) = await ask(staff.team, "SELECT id FROM tasks WHERE body->>'domain' = 'law'")
    await ask(
        staff.team,
        "INSERT INTO escalations (id, act, reasons, case_id, thread_id, stage, round, type, "
        "answered_at) VALUES ('e', '{}', '{}', %s, '', '', 0, 'approve', now()) RETURNING 1",
        row["id"],
    )
    told = await reports.figures(staff.team)
    assert (told["task_completion"], told["autonomy_index"]) == (1.0, 0.5)
    assert told["human_interventions"] == 1 and told["knowledge_freshness_s"] is not None
    law, software = told["by_domain"]["law"], told["by_domain"]["software"]
    assert (law["tasks"], law["autonomy_index"], law["human_interventions"]) == (1, 0.0, 1)
    assert (software["task_completion"], software["autonomy_index"]) == (1.0, 1.0)


async def test_tools_are_counted_by_calls_and_by_what_a_policy_stopped(team: Team) -> None:
    call = {"workspace": "w", "path": "calc.py", "tool": "calc.divide", "is_right": True}
    for is_right in (True, True, False):
        await team.watching.judge(call | {"is_right": is_right}, "case")
    await team.acting.record("call_tool", "mail.send", "deny", actor="engineer@m")
    told = await reports.figures(team)
    assert told["by_tool"]["calc.divide"]["calls"] == 3
    assert round(told["by_tool"]["calc.divide"]["task_completion"], 2) == 0.67
    assert told["by_tool"]["mail.send"] == {
        "calls": 0,
        "task_completion": None,
        "human_interventions": 0,
        "safety_incidents": 1,
    }
    assert told["safety_incidents"] == 1


async def test_an_alarm_that_was_taken_back_without_a_person_is_healed(team: Team) -> None:
    for number, verdict in enumerate(("reverted", "given_up")):
        await ask(
            team,
            "INSERT INTO opportunities (id, kind, subject, priority, evidence, status, verdict) "
            "VALUES (%s, 'alarm', %s, 'high', '{}', 'closed', %s) RETURNING 1",
            str(number),
            str(number),
            verdict,
        )
    assert (await reports.figures(team))["self_healing_coverage"] == 0.5


async def test_an_environment_is_validated_when_a_check_finds_nothing_wrong(team: Team) -> None:
    for seconds, wrong in ((0, 1), (40, 0), (90, 0)):
        await ask(
            team,
            "INSERT INTO events (correlation_id, kind, body, at) VALUES ('here', "
            "'environment.checked', jsonb_build_object('wrong', %s::int, 'took_s', 2), "
            "timestamptz '2026-01-01 00:00Z' + make_interval(secs => %s)) RETURNING 1",
            wrong,
            seconds,
        )
    assert (await reports.figures(team))["deployment_confidence_s"] == 42.0


async def test_an_audit_says_what_has_changed_since_the_last_one(team: Team) -> None:
    first = await audits.audit(team)
    assert first["since"] is None and first["changes"] == [] and first["findings"] == []
    await team.acting.record("call_tool", "mail.send", "deny")
    second = await audits.audit(team)
    changes = {one["what"]: (one["before"], one["after"]) for one in second["changes"]}
    assert changes["figures.safety_incidents"] == (0, 1) and changes["log.entries"][1] == 1
    assert second["since"] and (await audits.audit(team))["changes"] == []


async def test_an_audit_finds_a_forged_log(team: Team) -> None:
    await team.acting.record("test", "one", "allow")
    await ask(team, "UPDATE decisions SET body = replace(body, 'allow', 'deny') RETURNING 1")
    (found,) = (await audits.audit(team))["findings"]
    assert found.startswith("the log does not verify: entry 1:")


def test_what_differs_is_named_to_its_last_part() -> None:
    before: dict[str, Any] = {"a": 1, "b": {"c": [1], "d": 0.1 + 0.2}, "gone": None}
    after = {"a": 2, "b": {"c": [1], "d": 0.3}, "new": 1}
    assert [one["what"] for one in changed(before, after)] == ["a", "new"]


async def test_it_explains_itself_each_sentence_with_its_source(hire: Hire, tmp_path: Path) -> None:
    staff = hire()
    workspace = str(repository(tmp_path / "w", {"README.md": "# Port\n\nThe port is 8080.\n"}))
    await staff.ask("What is the port?", workspace=workspace)
    await staff.team.acting.record("call_tool", "mail.send", "deny")
    with standing_alone("x", "y"):
        said = await explanations.explain(staff.team)
    assert all(one.says.endswith(".") and one.source for one in said)
    told = {one.about: [] for one in said}  # type: dict[str, list[str]]
    for one in said:
        told[one.about].append(one.says)
    assert list(told)[0] == "what I am" and any("qwen3:8b" in one for one in told["what I am"])
    today = told["what I did today"]
    assert "1 tasks answered." in today and "A policy has stopped call_tool mail.send." in today
    assert any("fewer than 10 outcomes" in one for one in told["what I am unsure of"])
    assert any("policies" in one for one in told["what is active, and why"])
