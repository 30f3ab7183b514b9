from pathlib import Path
from typing import Any

import pytest

from tests.agora.app.cli.conftest import Agora
from tests.model_server import ModelServer


def checks(agora: Agora) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in agora("doctor", "--json").json["checks"]}


def test_every_missing_thing_has_a_remedy(
    agora: Agora, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = checks(agora)
    missing = {name for name, one in found.items() if one["status"] == "missing"}
    assert missing == {"git", "sandbox", "model"}
    assert "git" in found["git"]["remedy"] and "bubblewrap" in found["sandbox"]["remedy"]
    assert "OLLAMA_HOST" in found["model"]["remedy"]


@pytest.mark.needs("bubblewrap")
def test_what_is_there_is_said_to_be_there(agora: Agora, tmp_path: Path) -> None:
    said = agora("doctor")
    assert said.code == 0 and "bubblewrap confines" in said.out
    found = checks(agora)
    assert [found[name]["status"] for name in ("settings", "git", "sandbox", "decisions")] == [
        "ok"
    ] * 4
    assert found["data"]["said"] == str(tmp_path / "home")
    assert not any(one["remedy"] for one in found.values() if one["status"] == "ok")


def test_a_model_that_answers_is_named(agora: Agora, monkeypatch: pytest.MonkeyPatch) -> None:
    with ModelServer(models=("qwen3:8b",)) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        found = checks(agora)["model"]
    assert found["status"] == "ok" and "qwen3:8b" in found["said"]


@pytest.mark.parametrize(
    ("name", "value", "check"),
    [
        ("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/nothing", "postgresql"),
        ("AGORA_CONFIG", "nosuch.yaml", "settings"),
        ("OLLAMA_HOST", "http://127.0.0.1:9", "model"),
        ("CHROMA_URL", "http://127.0.0.1:9", "index"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(
    agora: Agora, monkeypatch: pytest.MonkeyPatch, name: str, value: str, check: str
) -> None:
    monkeypatch.setenv(name, value)
    said = agora("doctor", "--json")
    found = {one["name"]: one for one in said.json["checks"]}[check]
    assert found["status"] != "ok" and found["remedy"]
    assert said.code == (2 if found["status"] == "wrong" else 0)
