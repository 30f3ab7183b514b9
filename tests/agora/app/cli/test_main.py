import os
from pathlib import Path

import pytest

from tests.agora.app.cli.conftest import Agora, Start, ended
from tests.conftest import repository

EVERY = [
    ["approvals"],
    ["experts"],
    ["log", "show"],
    ["log", "verify"],
    ["stats"],
    ["tools", "stats"],
    ["resume"],
]


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_a_command_in_a_new_home_has_something_to_say(agora: Agora, words: list[str]) -> None:
    plain, as_json = agora(*words), agora(*words, "--json")
    assert plain.code == as_json.code == 0 and plain.out.strip()
    assert len(as_json.out.splitlines()) == 1 and as_json.json


@pytest.mark.parametrize(
    "words",
    [["nosuch"], ["ask"], ["fix", "."], ["--nosuch"], ["log", "nosuch"], ["stats", "more"]],
    ids=" ".join,
)
def test_wrong_use_is_one_sentence_with_a_remedy(agora: Agora, words: list[str]) -> None:
    as_json, plain = agora(*words, "--json"), agora(*words)
    assert as_json.code == plain.code == 2
    assert as_json.error["code"] == "usage" and "--help" in as_json.error["hint"]
    assert plain.out == "" and plain.err.startswith("agora: ")


@pytest.mark.parametrize("is_embedded", [True, False], ids=["embedded", "external"])
def test_an_unwritable_home_is_named(
    agora: Agora, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_embedded: bool
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AGORA_HOME", str(tmp_path / "file" / "home"))
    if is_embedded:
        monkeypatch.delenv("DATABASE_URL")
    root = repository(tmp_path / "workspace", {"README.md": "# Rings\n\nRings are round.\n"})
    said = agora("ask", "What are rings?", "--workspace", root, "--json")
    assert said.code == 2 and str(tmp_path / "file") in said.error["message"]
    assert not is_embedded or "AGORA_HOME" in said.error["hint"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://nobody@127.0.0.1:9/nothing", "127.0.0.1:9/nothing cannot be reached"),
        ("postgresql://nobody:hush@127.0.0.1:9/nothing", "cannot be reached"),
        ("mysql://somewhere", "DATABASE_URL"),
        ("nonsense", "DATABASE_URL"),
    ],
)
def test_a_wrong_database_url_is_named_without_its_password(
    agora: Agora, monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    refused = agora("stats", "--json")
    assert refused.code == 2 and said in refused.error["message"]
    assert "hush" not in refused.out + refused.err and refused.error["hint"]


def test_a_database_that_is_not_there_is_named(
    agora: Agora, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = os.environ["DATABASE_URL"]
    name = url.partition("@/")[2].partition("?")[0]
    monkeypatch.setenv("DATABASE_URL", url.replace(name, "nosuch_database"))
    refused = agora("stats", "--json")
    assert refused.code == 2 and "nosuch_database" in refused.error["message"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AGORA_AUCTION__NOSUCH", "1", "unknown key auction.nosuch"),
        ("AGORA_BUDGET__DAY_USD", "-1", "budget.day_usd"),
        ("AGORA_BUDGET__DAY_USD", "lots", "budget.day_usd"),
        ("AGORA_CONFIG", "nosuch.yaml", "nosuch.yaml"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(
    agora: Agora, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    refused = agora("stats", "--json")
    assert refused.code == 2 and said in refused.error["message"] and refused.error["hint"]


def test_resuming_what_nobody_knows_is_refused(agora: Agora) -> None:
    said = agora("resume", "nosuch-thread", "--json")
    assert said.code == 2 and "nosuch-thread" in said.error["message"]


def test_whoever_reads_only_the_head_of_an_export_breaks_nothing(
    agora: Agora, start: Start
) -> None:
    for number in range(3):
        agora("ask", f"question {number}")
    reading, writing = os.pipe()
    os.close(reading)
    with start("log", "export", stdout=writing) as process:
        os.close(writing)
        said = process.communicate(timeout=60)
    assert process.returncode == 0 and said[1] == ""


def test_a_process_of_its_own_ends_with_the_promised_code_and_no_colours(start: Start) -> None:
    with start("fix", "nosuch", "--test", "pytest") as process:
        said = ended(process)
    assert said.code == 2 and said.out == ""
    assert said.err.startswith("agora: ") and "\x1b" not in said.err
