import json
from typing import Any

import pytest

from tests.agora.app.cli.conftest import Agora, Rows
from tests.model_server import ModelServer

MODELS = ("qwen3:8b", "llama3.2:3b", "mistral:7b")


def voting(messages: Any) -> str:
    return json.dumps({"answer": "yes", "confidence": 0.9, "argument": "it holds"})


@pytest.fixture
def task(agora: Agora, monkeypatch: pytest.MonkeyPatch) -> Any:
    with ModelServer(voting, models=MODELS) as served:
        monkeypatch.setenv("OLLAMA_HOST", served.url)
        said = agora("ask", "Shall we paint the bridge?", "--urgent", "--json").json
        assert said["expert"] == "war_room" and said["answer"] == "yes"
        yield said["task_id"]


def test_a_meeting_is_replayed_with_who_said_what(agora: Agora, task: str) -> None:
    said = agora("room", task)
    assert said.code == 0 and "at the table:" in said.err and "yes (it holds)" in said.err
    assert "ruling: yes" in said.out and "decided by vote" in said.out
    told = agora("room", task, "--json").json
    assert told["ruling"]["answer"] == "yes" and told["spent"]["calls"] >= 2


def test_what_a_person_says_of_a_ruling_counts_once_for_those_who_gave_it(
    agora: Agora, task: str, rows: Rows
) -> None:
    for word in ("good", "bad"):
        assert agora("feedback", task, word).code == 0
    (event,) = rows("SELECT body FROM events WHERE kind = 'votes.judged'")
    assert set(event["body"]["votes"].values()) == {True}


def test_a_task_without_a_meeting_is_named_at_once(agora: Agora) -> None:
    said = agora("room", "nothing", "--json")
    assert said.code == 2 and "there is no meeting of a task nothing" in said.error["message"]
