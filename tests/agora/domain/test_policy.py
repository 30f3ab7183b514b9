from pathlib import Path
from typing import Any

import pytest

from agora.domain.contracts import Act
from agora.domain.policy import Policy, PolicyError

POLICY = Policy.load()


def act(kind: str = "ask_model", actor: str = "solver", **facts: Any) -> Act:
    return Act.model_validate(
        {"kind": kind, "subject": "calculator.divide", "actor": actor, "facts": facts}
    )


def calling(**facts: Any) -> Act:
    return act("call_tool", tools=["calculator.divide"], **facts)


def denied(one: Act) -> str:
    verdict = POLICY.decide(one)
    return "" if verdict.is_allowed else " ".join(verdict.reasons)


@pytest.mark.parametrize(
    "kind", ["ask_model", "read_document", "read_feed", "run_tests", "commit", "discover"]
)
def test_the_teams_ordinary_work_is_permitted(kind: str) -> None:
    actor = "agora" if kind == "commit" else "solver"
    verdict = POLICY.decide(act(kind, actor))
    assert verdict.is_allowed
    assert verdict.reasons == ("ordinary_work: The team's ordinary work is permitted.",)


@pytest.mark.parametrize("residency", ["cloud", "eu", None])
def test_a_private_task_does_not_go_to_a_model_elsewhere(residency: str | None) -> None:
    facts = {"residency": residency} if residency else {}
    assert "private_stays_local: A private task" in denied(act(labels=["private"], **facts))
    assert "private_stays_local" in denied(act(is_private=True, **facts))
    assert not denied(act(labels=["private"], residency="local"))
    assert not denied(act(labels=["not private"], **facts))


def test_untrusted_text_private_data_and_a_way_out_never_meet() -> None:
    all_three = {"labels": ["private", "untrusted"], "tags": ["sends"]}
    assert "lethal_trifecta" in denied(calling(**all_three))
    assert "lethal_trifecta" in denied(calling(is_private=True, is_untrusted=True, sends=True))
    # What a label says, no other fact takes back.
    assert "lethal_trifecta" in denied(calling(**all_three, is_private=False, sends=False))
    assert not denied(calling(**all_three | {"tags": []}))
    assert not denied(calling(**all_three | {"labels": ["private"]}))
    assert "lethal_trifecta" not in denied(calling(**all_three | {"labels": ["untrusted"]}))


def test_whoever_has_read_untrusted_text_sends_only_after_a_persons_yes() -> None:
    sending = calling(labels=["untrusted"], tags=["sends"])
    assert POLICY.decide(sending).asks and "sending_asks" in denied(sending)
    assert not denied(calling(labels=["untrusted"], tags=["sends", "reads", "untrusted"]))


def test_experts_commit_nothing() -> None:
    assert "experts_change_nothing" in denied(act("commit"))


def test_an_expert_commits_and_promotes_nothing() -> None:
    for kind in ("commit", "rewrite_prompt", "promote_prompt"):
        assert "experts_change_nothing" in denied(act(kind)) and not denied(act(kind, "agora"))


def test_what_costs_money_is_asked_twice(tmp_path: Path) -> None:
    assert POLICY.decide(act(residency="eu").but(cost_usd=1.0)).is_allowed
    dear = POLICY.decide(act(residency="eu").but(cost_usd=1.01))
    assert dear.word == "ask" and "dear_acts_ask" in dear.reasons[0]
    private = act(residency="eu", labels=["private"]).but(cost_usd=1.01)
    assert POLICY.decide(private).word == "deny"


@pytest.mark.parametrize("said", ['@effect("ask") permit', '@effect("deny") forbid'])
def test_an_effect_that_says_nothing_stops_with_file_and_line(tmp_path: Path, said: str) -> None:
    with pytest.raises(PolicyError, match=r"own\.cedar:2: @effect"):
        write(tmp_path, f'\n@id("a") {said} (principal, action, resource);')


def test_what_changed_between_two_sets_is_named(tmp_path: Path) -> None:
    rule = '@id("{}") permit (principal, action, resource) when {{ context.sends }};'
    before = write(tmp_path, rule.format("a") + rule.format("b"))
    after = write(tmp_path, rule.format("b").replace("sends", "is_private") + rule.format("c"))
    assert after.changes_from(before.texts) == ["+ c", "- a", "~ b"]


def test_an_expert_calls_only_tools_that_it_was_given() -> None:
    assert not denied(calling())
    assert "own_tools_only" in denied(act("call_tool"))
    assert "own_tools_only" in denied(act("call_tool", tools=["calculator.divid"]))
    assert not denied(act("call_tool", actor="operator"))


@pytest.mark.parametrize("facts", [{"labels": 3}, {"unheard_of": 1}, {"residency": ["local"]}])
def test_a_fact_that_cannot_be_understood_denies(facts: dict[str, Any]) -> None:
    verdict = POLICY.decide(act("read_document", **facts))
    assert not verdict.is_allowed and verdict.reasons


def write(folder: Path, text: str) -> Policy:
    (folder / "own.cedar").write_text(text)
    return Policy.load(folder)


def test_a_policy_that_fails_while_it_is_asked_denies(tmp_path: Path) -> None:
    policy = write(
        tmp_path,
        '@id("all") permit (principal, action, resource);\n'
        '@id("odd") forbid (principal, action, resource) when '
        "{ 9223372036854775807 + 1 == 0 };",
    )
    verdict = policy.decide(act())
    assert not verdict.is_allowed
    assert "error" in verdict.reasons[0]


def test_nothing_is_permitted_that_no_policy_permits(tmp_path: Path) -> None:
    policy = write(
        tmp_path, '@id("read") permit (principal, action == Action::"read_document", resource);'
    )
    assert policy.decide(act("read_document")).is_allowed
    verdict = policy.decide(act("commit"))
    assert verdict.reasons == ("No policy permits commit on calculator.divide to solver.",)


def test_a_limit_in_usd_is_not_rounded_away(tmp_path: Path) -> None:
    policy = write(
        tmp_path,
        '@id("cheap") permit (principal, action, resource) when '
        '{ context.cost_usd.lessThanOrEqual(decimal("0.0100")) };',
    )
    assert policy.decide(act().but(cost_usd=0.01)).is_allowed
    assert not policy.decide(act().but(cost_usd=0.010001)).is_allowed


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ('@id("a")\npermit (principal, action, resource)\nwhen { context.nope };', 3, "nope"),
        ('// a; b\n@id("a")\npermit (principal, action == Action::"fly", resource);', 3, "fly"),
        (
            '@id("a")\npermit (principal, action, resource);\n\npermit (principal action',
            4,
            "action",
        ),
        ("\npermit (principal, action, resource);", 2, "@id"),
        ('@id("a") permit (principal == ?principal, action, resource);', 1, ""),
        ('@id("a") permit (principal, action, resource);\n' * 2, 2, "second"),
    ],
)
def test_a_policy_that_cannot_hold_stops_with_file_and_line(
    tmp_path: Path, text: str, line: int, word: str
) -> None:
    with pytest.raises(PolicyError, match=rf"own\.cedar:{line}: .*{word}"):
        write(tmp_path, text)


def test_a_folder_without_policies_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="holds no policy"):
        Policy.load(tmp_path)


def test_the_hash_names_the_policies_that_were_asked(tmp_path: Path) -> None:
    rule = '@id("a") permit (principal, action, resource);'
    one, same, other = write(tmp_path, rule), write(tmp_path, rule), write(tmp_path, f"{rule} ")
    assert one.hash == same.hash == one.decide(act()).hash == other.hash
    assert one.hash != write(tmp_path, rule.replace('"a"', '"b"')).hash
