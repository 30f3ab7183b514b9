import pytest

from tests.agora.app.cli.conftest import Agora
from tests.model_server import ModelServer


def test_models_are_shown_with_price_place_and_breaker(
    agora: Agora, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ModelServer(models=("qwen3:8b",)) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        told = {one["name"]: one for one in agora("models", "--json").json["models"]}
        said = agora("models")
    assert told["qwen3:8b"]["residency"] == "local" and told["qwen3:8b"]["breaker"] == "closed"
    assert told["gpt-4o"]["usd_in"] == 2.5 and told["gpt-4o"]["busy"] == 0
    assert said.code == 0 and "free" in said.out and "2.5 / 1.25 / 10" in said.out


def test_without_a_model_the_setting_that_adds_one_is_named(agora: Agora) -> None:
    said = agora("models")
    assert said.code == 0 and "OLLAMA_HOST" in said.err


def test_a_model_whose_key_is_wrong_shows_why_it_rests(
    agora: Agora, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ModelServer(models=("gpt-4o-mini",), api_key="right") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.openai_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong")
        monkeypatch.setenv("AGORA_OPENAI__MODELS", "[gpt-4o-mini]")
        said = agora("ask", "What is the capital of France?", "--json")
        assert said.code == 1 and "OPENAI_API_KEY" in said.json["error"]["hint"]
        (told,) = agora("models", "--json").json["models"]
    assert told["breaker"] == "open" and "wrong_key" in told["why"]


def test_prices_of_experts(agora: Agora, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    said = agora("experts", "--prices")
    assert said.code == 0 and "m$" in said.out and "m$" not in agora("experts").out
