from dataclasses import dataclass

import pytest

import prompts
from agora.domain import experts
from agora.domain.experts import BUILT_IN, GENERAL, Expert, ExpertError, bidders, predict_domain


@dataclass(frozen=True)
class Model:
    name: str
    residency: str
    family: str = "some"


LOCAL, EUROPE, AMERICA = Model("qwen3:8b", "local"), Model("mistral", "eu"), Model("gpt", "us")
MATTER = {
    "version": 2,
    "department": "Law",
    "domains": ["contracts"],
    "models": ["local"],
    "description": "Reads contracts.",
}


def expert(**changes: object) -> Expert:
    return experts.parse("law.md", "law", MATTER | changes, "You are a lawyer.")


def shipped() -> list[Expert]:
    found = prompts.load_all("experts")
    return [experts.parse(f"{one.name}.md", one.name, one.matter, one.body) for one in found]


def test_an_expert_is_what_its_file_declares() -> None:
    one = expert(domains={"contracts": ["clause", "party"]}, tools=["read_*"])
    assert (one.name, one.version, one.system) == ("law", 2, "You are a lawyer.")
    assert one.domains == {"contracts": ("clause", "party")}
    assert expert().domains == {"contracts": ()}


def test_the_shipped_experts_can_be_read() -> None:
    assert {one.department for one in shipped()} == {
        "ML",
        "Strategy",
        "Knowledge",
        "Risk",
        "Learning",
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"colour": "red"}, "law.md: unknown field colour"),
        ({"version": "x"}, "law.md: version: "),
        ({"domains": []}, "law.md: domains: "),
        ({"domains": [{"a": 1}]}, "law.md: domains: "),
        ({"models": []}, "law.md: models: "),
        ({"department": ""}, "law.md: department: "),
    ],
)
def test_a_wrong_declaration_is_told_by_file_and_field(
    changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ExpertError) as caught:
        expert(**changes)
    assert str(caught.value).startswith(said)
    assert caught.value.hint


def test_a_missing_field_is_told() -> None:
    with pytest.raises(ExpertError, match=r"law.md: department is missing"):
        experts.parse("law.md", "law", {"version": 1, "domains": ["a"], "models": ["*"]}, "x")


@pytest.mark.parametrize(
    ("wanted", "admitted"),
    [
        (["local"], ["qwen3:8b"]),
        (["cloud"], ["mistral", "gpt"]),
        (["cloud", "local"], ["mistral", "gpt", "qwen3:8b"]),
        (["g*", "cloud"], ["gpt", "mistral"]),
        (["mistral"], ["mistral"]),
        (["absent"], []),
    ],
)
def test_an_expert_bids_with_the_models_it_admits_first_choice_first(
    wanted: list[str], admitted: list[str]
) -> None:
    found = bidders([expert(models=wanted)], [LOCAL, EUROPE, AMERICA])
    assert [bidder.name for bidder in found] == [f"law@{name}" for name in admitted]


def test_built_in_experts_bid_without_any_model() -> None:
    assert [bidder.name for bidder in bidders(BUILT_IN, [])] == ["repairer", "librarian"]
    assert len(bidders(BUILT_IN, [LOCAL])) == 2


def test_a_declared_domain_overlaps_more_than_a_generalist() -> None:
    assert experts.overlap(("law",), "Law") == 1.0
    assert experts.overlap((GENERAL,), "law") == 0.5
    assert experts.overlap(("physics",), "law") == 0.0
    assert experts.mixed_overlap(("law",), {"law": 0.7, "physics": 0.3}) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("The parser is broken, repair the failing tests", "repair"),
        ("Write a Python function that compiles regexes", "software"),
        ("Is this licence agreement legally binding in court?", "law"),
        ("What does the handbook say in the documents?", "documents"),
        ("Wie spät ist es?", GENERAL),
        ("", GENERAL),
    ],
)
def test_a_text_is_of_the_domain_whose_words_it_has(text: str, domain: str) -> None:
    mix = predict_domain(text, experts.declared_domains([*shipped(), *BUILT_IN]))
    assert max(mix, key=mix.__getitem__) == domain
    assert sum(mix.values()) == pytest.approx(1)
