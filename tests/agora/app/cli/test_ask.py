import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.agora.app.cli.conftest import Agora, Rows, Start, ended
from tests.conftest import repository
from tests.model_server import ModelServer
from tests.running import plainly
from tests.serving import START_S

FIELDS = {
    "status",
    "answer",
    "sources",
    "expert",
    "model",
    "bids",
    "cost_usd",
    "tokens",
    "latency_s",
    "thread_id",
    "task_id",
    "cached",
    "confidence",
}
README = "# Kestrel\n\nKestrel keeps bird rings. The rings are stored in the file rings.csv.\n"
LOCAL = "qwen3:8b"


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Any:
    with ModelServer(plainly, models=(LOCAL,)) as served:
        monkeypatch.setenv("OLLAMA_HOST", served.url)
        yield served


def documents(folder: Path) -> Path:
    return repository(folder / "kestrel", {"README.md": README})


def test_the_librarian_answers_without_any_model(agora: Agora, tmp_path: Path) -> None:
    said = agora("ask", "Where are the rings stored?", "--workspace", documents(tmp_path), "--json")
    told = said.json
    assert said.code == 0 and told["status"] == "answered" and set(told) >= FIELDS
    assert "rings.csv" in told["answer"] and told["expert"] == "librarian"
    assert told["model"] is None and told["cost_usd"] == 0 and not told["cached"]
    assert told["sources"][0]["path"] == "README.md" and told["sources"][0]["quote"] in README
    assert {"expert", "score", "p_success"} <= set(told["bids"][0])


def test_the_librarian_reads_the_workspace_of_the_current_folder(
    agora: Agora, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(documents(tmp_path))
    said = agora("ask", "Where are the rings stored?")
    assert said.code == 0 and "rings.csv" in said.out and "librarian" in said.err


def test_a_repeated_question_is_answered_from_memory(agora: Agora, tmp_path: Path) -> None:
    asked = ("ask", "Where are the rings stored?", "--workspace", documents(tmp_path), "--json")
    first, again = agora(*asked).json, agora(*asked).json
    assert not first["cached"] and again["cached"] and again["answer"] == first["answer"]


def test_without_anybody_the_answer_names_the_setting_that_would_help(agora: Agora) -> None:
    said = agora("ask", "Write a poem about rain", "--json")
    told = said.json
    assert said.code == 1 and told["status"] == "declined" and told["error"]["code"] == "declined"
    assert "OLLAMA_HOST" in told["error"]["hint"] and "OPENAI_API_KEY" in told["error"]["hint"]


def test_a_model_answers_and_says_what_it_costs(agora: Agora, models: ModelServer) -> None:
    told = agora("ask", "How much is six times seven?", "--json").json
    assert told["status"] == "answered" and told["answer"] == "forty-two"
    assert told["model"] == LOCAL and told["tokens"] > 0 and told["cost_usd"] == 0
    assert models.served(LOCAL).requests >= 1


def test_every_bid_is_shown_on_demand(agora: Agora, models: ModelServer) -> None:
    said = agora("ask", "How much is six times seven?", "-v")
    assert said.out.startswith("forty-two\n") and f"@{LOCAL}" in said.out
    assert "repairer" in said.out and "thread ask-" in said.err


def test_a_megabyte_of_question_is_refused_before_anything_is_written(
    agora: Agora, models: ModelServer, rows: Rows
) -> None:
    said = agora("ask", "-", "--json", stdin="why " * 262_144)
    assert said.code == 2 and "characters" in said.error["message"]
    assert agora("stats").code == 0 and rows("SELECT FROM tasks") == rows("SELECT FROM acts") == []
    assert models.exchanges == []


def test_a_long_question_is_read_from_the_standard_input(agora: Agora, models: ModelServer) -> None:
    said = agora("ask", "-", "--json", stdin="why " * 10_000)
    assert said.json["status"] == "answered" and "why why" in models.last.prompt


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_an_empty_question_is_refused(agora: Agora, rows: Rows, text: str) -> None:
    said = agora("ask", text, "--json")
    assert said.code == 2 and "empty" in said.error["message"]
    assert agora("ask", "-", stdin=text).code == 2


@pytest.mark.parametrize("flag", ["--budget=-1", "--deadline=0", "--deadline=soon", "--nosuch"])
def test_a_value_that_is_not_allowed_is_refused(agora: Agora, flag: str) -> None:
    said = agora("ask", "hello", flag, "--json")
    assert said.code == 2 and said.error["hint"]


def test_a_folder_that_is_no_workspace_is_refused(agora: Agora, tmp_path: Path) -> None:
    said = agora("ask", "hello", "--workspace", tmp_path, "--json")
    assert said.code == 2 and "not a git work tree" in said.error["message"]


def test_a_refused_connection_is_named_with_its_remedy(
    agora: Agora, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    said = agora("ask", "Write a poem about rain", "--json")
    told = said.json
    assert said.code == 1 and told["status"] == "declined"
    assert "127.0.0.1:9" in told["error"]["hint"] and "OLLAMA_HOST" in told["error"]["hint"]


def test_a_wrong_key_is_named_with_its_remedy_and_never_shown(
    agora: Agora, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ModelServer(plainly, models=("gpt-4o-mini",), api_key="right") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.openai_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-and-secret")
        said = agora("ask", "Write a poem about rain", "--json")
    assert said.code == 1 and "OPENAI_API_KEY" in said.json["error"]["hint"]
    assert "sk-wrong-and-secret" not in said.out + said.err


def test_an_unknown_model_fails_the_task_by_its_name(
    agora: Agora, models: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGORA_OLLAMA__MODELS", "[nosuch:1b]")
    said = agora("ask", "Write a poem about rain", "--json")
    assert said.code == 1 and said.json["status"] == "failed"
    assert said.json["model"] == "nosuch:1b" and said.json["error"]["message"]


def test_a_second_command_on_a_busy_thread_is_refused(
    agora: Agora, start: Start, models: ModelServer, rows: Rows
) -> None:
    models.fail("hang")
    with start("ask", "a slow one", "--thread", "shared") as first:
        _until_asked(models)
        said = agora("ask", "another", "--thread", "shared", "--json")
        assert said.code == 1 and said.error["code"] == "claim_held"
        assert "shared" in said.error["message"]
        first.send_signal(signal.SIGINT)
        assert ended(first).code == 130
    assert len(rows("SELECT FROM tasks")) == 1


def test_an_interrupted_question_is_resumed(
    agora: Agora, start: Start, models: ModelServer
) -> None:
    models.fail("hang")
    with start("ask", "a slow one", "--json") as process:
        _until_asked(models)
        process.send_signal(signal.SIGINT)
        said = ended(process)
    assert said.code == 130 and said.error["code"] == "interrupted"
    agora_word, resume, thread_id = said.error["hint"].split()
    assert (agora_word, resume) == ("agora", "resume")

    resumed = agora("resume", thread_id, "--json")
    (thread,) = resumed.json["threads"]
    assert resumed.code == 0 and thread["thread_id"] == thread_id and thread["status"] == "done"
    assert thread["outcome"]["answer"] == "forty-two"


def _until_asked(models: ModelServer) -> None:
    deadline = time.monotonic() + START_S
    while not models.exchanges:
        assert time.monotonic() < deadline, "nobody was asked"
        threading.Event().wait(0.02)
