from pathlib import Path

from tests.agora.app.cli.conftest import Agora
from tests.conftest import commit, sh

OWN = """
@id("no_tests") @effect("ask") @reason("Ask first.")
forbid (principal, action == Action::"run_tests", resource);
"""


def own(home: Path, text: str) -> None:
    (home / "policies").mkdir(parents=True)
    (home / "policies" / "own.cedar").write_text(text)


def test_the_shipped_policies_do_what_their_cases_say(agora: Agora) -> None:
    said = agora("policy", "test", "--json")
    assert said.code == 0 and said.json["failures"] == {} and said.json["cases"] >= 20


def test_cases_that_come_out_otherwise_are_named(agora: Agora, tmp_path: Path) -> None:
    cases = tmp_path / "cases.yaml"
    cases.write_text(
        "- {name: one, act: commit, actor: agora, expect: deny}\n"
        "- {name: two, act: commit, expect: deny, because: own_tools_only}\n"
    )
    said = agora("policy", "test", cases)
    assert said.code == 1 and "one: expected deny, got allow" in said.out
    assert "two: not by own_tools_only" in said.out and "0 of 2 cases" in said.out
    cases.write_text("- {name: one, act: fly, expect: deny}\n")
    assert "case 1: act:" in agora("policy", "test", cases, "--json").error["message"]


def test_what_counts_is_listed_with_ones_own(agora: Agora, tmp_path: Path) -> None:
    own(tmp_path / "home", OWN)
    said = agora("policy", "check", "--json").json
    rules = {one["id"]: one for one in said["policies"]}
    assert rules["no_tests"]["asks"] and not rules["ordinary_work"]["asks"]
    explained = agora("policy", "explain", "run_tests", "w", "--json").json
    assert explained["verdict"] == "ask" and explained["hash"] == said["hash"]


def test_a_policy_that_cannot_be_understood_stops_every_command(
    agora: Agora, tmp_path: Path
) -> None:
    own(tmp_path / "home", OWN.replace("resource)", "resource) when { context.nope }"))
    for command in (("policy", "check"), ("stats",)):
        said = agora(*command, "--json")
        assert said.code == 2 and "own.cedar:3: " in said.error["message"]


def test_an_act_that_a_policy_leaves_to_a_person_is_asked_for_and_then_done(
    agora: Agora, tmp_path: Path
) -> None:
    own(tmp_path / "home", OWN.replace("run_tests", "read_document"))
    (tmp_path / "here" / "README.md").write_text("The port is 8080.\n")
    sh(tmp_path / "here", "git", "init", "-q")
    commit(tmp_path / "here", "begin")
    asked = agora("ask", "What is the port?", "--json")
    assert asked.code == 3 and asked.json["status"] == "waiting"
    (one,) = asked.json["approval_ids"]
    listed = agora("approvals", "list", "--json").json["waiting"]
    assert [each["id"] for each in listed] == [one] and listed[0]["kind"] == "permission"
    assert "no_tests: Ask first." in agora("approvals", "show", one).out
    said = agora("approvals", "approve", one, "--json")
    while said.code == 3:  # each stage that reads asks for itself
        (waiting,) = agora("approvals", "list", "--json").json["waiting"]
        said = agora("approvals", "approve", waiting["id"], "--json")
    assert said.code == 0 and "8080" in said.json["answer"]
    assert agora("log", "verify", "--json").json["valid"]


def test_keys_are_shown_rotated_and_accepted(agora: Agora) -> None:
    agora("doctor")
    (first,) = agora("log", "keys", "--json").json["keys"]
    rotated = agora("log", "rotate", "--reason", "as every year", "--json").json
    told = agora("log", "keys", "--json").json
    assert told["keys"] == [first, rotated["key"]] and told["head"]["seq"] == rotated["seq"]
    assert agora("log", "accept", "ab" * 32, "--json").code == 0
    assert "is no public key" in agora("log", "accept", "xy", "--json").error["message"]
    assert agora("log", "verify", "--json").json["valid"]


def test_figures_say_what_they_are_made_of(agora: Agora) -> None:
    said = agora("stats", "--formulas")
    assert "self healing coverage       nothing to count yet" in said.out
    assert "autonomy index = tasks answered without a person / tasks ended" in said.out
    assert "task_completion" in agora("stats", "--formulas", "--json").json["formulas"]


def test_an_audit_and_an_explanation_are_for_people_and_programs(agora: Agora) -> None:
    assert "the first audit" in agora("audit").out
    assert agora("audit", "--json").json["since"]
    said = agora("explain", "--json").json["says"]
    assert {"about", "says", "source"} == set(said[0])
    assert "What I am" in agora("explain").out
