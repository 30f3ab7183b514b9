from pathlib import Path
from typing import Any

import pytest

from tests.agora.app.cli.conftest import Agora
from tests.model_server import ModelServer
from tests.redis_server import RedisServer


def checks(agora: Agora) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in agora("doctor", "--json").json["checks"]}


def test_every_missing_thing_has_a_remedy(
    agora: Agora, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = checks(agora)
    missing = {name for name, one in found.items() if one["status"] == "missing"}
    assert missing == {"git", "sandbox", "model", "worker"}
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


@pytest.mark.needs("redis-server")
def test_a_redis_that_answers_is_told_from_one_that_does_not(
    agora: Agora, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "PostgreSQL alone" in checks(agora)["redis"]["said"]
    server = RedisServer.started()
    monkeypatch.setenv("REDIS_URL", server.url)
    assert checks(agora)["redis"]["status"] == "ok"
    server.close()
    monkeypatch.setenv("REDIS_URL", "redis://:secret@127.0.0.1:9/0")
    found = agora("doctor", "--json")
    (redis,) = [one for one in found.json["checks"] if one["name"] == "redis"]
    assert redis["status"] == "wrong" and redis["remedy"] and found.code == 2
    assert "secret" not in found.out + found.err


def test_what_is_no_redis_url_is_said_without_its_password(
    agora: Agora, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "secret@nowhere")
    said = agora("pulse", "--json")
    assert said.code == 2 and "REDIS_URL" in said.error["message"] and "secret" not in said.out
