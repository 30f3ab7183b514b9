import json
from pathlib import Path
from typing import Any

import pytest

from tests.agora.app.cli.conftest import Agora, Rows
from tests.model_server import ModelServer
from tests.running import plainly

QUESTION, AGAIN = "How do I convert a list to a set?", "how can i convert a list to a set??"


@pytest.fixture
def model(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    with ModelServer(plainly, models=("qwen3:8b",)) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        yield server


def lines(*pairs: tuple[str, str]) -> str:
    return "\n".join(json.dumps({"a": a, "b": b}) for a, b in pairs)


def test_match_answers_in_the_order_given(agora: Agora, tmp_path: Path) -> None:
    given = lines((QUESTION, AGAIN), (QUESTION, "How do I convert a set to a list?"))
    said = agora("cache", "match", "--jsonl", stdin=f"\n{given}\n  \n")
    assert (said.code, said.out) == (0, '{"hit": true}\n{"hit": false}\n')
    (tmp_path / "pairs.jsonl").write_text(given)
    assert agora("cache", "match", "--jsonl", tmp_path / "pairs.jsonl").out == said.out


def test_match_serves_nothing_that_is_never_served(agora: Agora) -> None:
    same = [(text, text) for text in ("What is my balance?", "What is the news?", "Delete it all")]
    assert agora("cache", "match", stdin=lines(*same)).out == 3 * '{"hit": false}\n'


@pytest.mark.parametrize(
    "line", ["{", "[]", '"a"', '{"a": "x"}', '{"a": "x", "b": 1}', "nan", "[" * 50_000]
)
def test_a_bad_line_is_named_once_and_ends_the_command(agora: Agora, line: str) -> None:
    said = agora("cache", "match", "--jsonl", stdin=f"{lines(('a b', 'a b'))}\n\n{line}\n{line}")
    assert said.code == 2 and said.out == '{"hit": true}\n'
    assert said.err.count("line 3") == 1 and "Traceback" not in said.err


def test_an_answer_is_kept_shown_and_forgotten(agora: Agora, model: ModelServer) -> None:
    first = agora("ask", QUESTION, "--json").json
    second = agora("ask", AGAIN, "--json").json
    assert (first["cached"], second["cached"]) == (False, True)

    told = agora("cache", "stats", "--json").json
    assert (told["entries"], told["hits"], told["gate"]) == (1, 1, 1) and told["hit_rate"] == 0.5
    (entry,) = agora("cache", "show", "--json").json["answers"]
    assert entry["question"] == QUESTION and entry["hits"] == 1
    assert QUESTION in agora("cache", "show", str(entry["id"])).out

    assert agora("cache", "forget", str(entry["id"]), "--json").json == {"forgotten": 1}
    assert not agora("ask", QUESTION, "--json").json["cached"]
    assert agora("cache", "forget", "--all", "--json").json == {"forgotten": 1}


def test_bad_feedback_takes_the_answer_back(agora: Agora, model: ModelServer, rows: Rows) -> None:
    agora("ask", QUESTION, "--json")
    served = agora("ask", AGAIN, "--json").json
    said = agora("feedback", served["task_id"], "bad", "--comment", "wrong", "--json")
    assert said.json == {"task_id": served["task_id"], "feedback": "bad", "forgotten": 1}
    assert not agora("ask", AGAIN, "--json").json["cached"]
    assert not agora("ask", QUESTION, "--json").json["cached"]
    assert rows("SELECT word, comment FROM feedback") == [{"word": "bad", "comment": "wrong"}]


@pytest.mark.parametrize(
    "words",
    [
        ["cache", "forget"],
        ["cache", "forget", "7"],
        ["cache", "forget", "7", "--all"],
        ["cache", "show", "7"],
        ["feedback", "nobody", "good"],
        ["feedback", "nobody", "fine"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_said_in_a_sentence(agora: Agora, words: list[str]) -> None:
    said = agora(*words, "--json")
    assert said.code == 2 and said.error["hint"]


def test_vectors_are_computed_again_from_the_database(agora: Agora, model: ModelServer) -> None:
    agora("ask", QUESTION, "--json")
    # The answer, and what the team remembers of it.
    assert agora("cache", "rebuild", "--json").json == {"vectors": 2}
    assert agora("cache", "rebuild", "--json").json == {"vectors": 2}
