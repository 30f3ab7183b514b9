from collections.abc import Iterator

import pytest

from tests.agora.app.cli.conftest import Agora
from tests.model_server import ModelServer


@pytest.fixture(autouse=True)
def models(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    with ModelServer(models=("qwen3:8b",)) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        yield server


def test_a_pulse_is_made_on_the_spot_where_no_worker_does_it(
    agora: Agora, models: ModelServer
) -> None:
    assert "nothing has happened yet" in agora("pulse").out
    assert agora("pulse", "--json").json == {"text": None}
    agora("ask", "what is nowhere?")
    asked = len(models.exchanges)
    said = agora("pulse")
    assert said.code == 0 and "what is nowhere?" in said.out
    assert "seconds ago, by the events themselves" in said.out
    told = agora("pulse", "--json").json
    assert told["author"] == "events" and told["labels"] == [] and 0 <= told["age_s"] < 60
    assert told["sources"]["events"] and len(told["sources"]["tasks"]) == 1
    assert len(models.exchanges) == asked, "whoever only looks waits for no model"


def test_a_private_text_is_in_no_pulse(agora: Agora) -> None:
    agora("ask", "where is the gold?", "--private")
    said = agora("pulse")
    assert "Tasks done lately" in said.out and "gold" not in said.out
