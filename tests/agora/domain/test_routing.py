from types import SimpleNamespace

import pytest

from agora.domain.contracts import AgentTask
from agora.domain.errors import SettingsError, UsageError
from agora.domain.routing import Rules, rules
from agora.domain.settings import load

TASK = AgentTask(id="t", text="What follows?")
HERE = SimpleNamespace(residency="local", vendor="ollama")
EU = SimpleNamespace(residency="eu", vendor="acme")
US = SimpleNamespace(residency="us", vendor="openai")


def of(task: AgentTask, **arguments: object) -> Rules:
    return rules(task, load({}, **arguments))


def test_a_task_without_a_policy_follows_the_settings() -> None:
    known = of(TASK)
    assert known.value_usd({"law": 0.5, "general": 0.5}) == pytest.approx(0.01)
    assert all(known.admits(place) for place in (HERE, EU, US))


def test_a_policy_changes_what_money_and_time_are_worth() -> None:
    assert of(TASK.but(policy="quality")).value_usd({"law": 1}) == 0.1
    assert of(TASK.but(policy="cost")).value_usd({"law": 1}) < 0.01
    assert of(TASK.but(policy="latency")).auction.second_usd > of(TASK).auction.second_usd


def test_some_domains_are_worth_more() -> None:
    known = of(TASK, **{"auction.values_usd.law": 0.05})
    assert known.value_usd({"law": 0.5, "general": 0.5}) == pytest.approx(0.03)


def test_compliance_is_a_matter_of_places_and_vendors() -> None:
    known = of(TASK.but(policy="compliance"))
    assert [known.admits(place) for place in (HERE, EU, US)] == [True, True, False]
    own = {"routing.policies.own.vendors": ["openai"]}
    assert [of(TASK.but(policy="own"), **own).admits(one) for one in (EU, US)] == [False, True]


def test_a_label_keeps_a_task_in_its_place() -> None:
    known = of(TASK.but(labels=("residency:us",)))
    assert [known.admits(place) for place in (HERE, EU, US)] == [True, False, True]
    both = of(TASK.but(labels=("residency:us",), policy="compliance"))
    assert [both.admits(place) for place in (HERE, EU, US)] == [True, False, False]


def test_a_policy_that_nobody_knows_is_named_beside_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="there is no policy cheap") as raised:
        of(TASK.but(policy="cheap"))
    assert "cost" in raised.value.hint


def test_a_misspelt_setting_of_a_policy_is_named() -> None:
    with pytest.raises(SettingsError, match="routing.policies.own.value") as raised:
        load({}, **{"routing.policies.own.value": 1})
    assert "value_usd" in raised.value.hint


def test_the_policy_of_all_tasks_must_exist() -> None:
    with pytest.raises(SettingsError, match="routing: .*there is no policy mine"):
        load({"AGORA_ROUTING__POLICY": "mine"})
