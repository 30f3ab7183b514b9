import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.agora.app.cli.conftest import Agora
from tests.model_server import ModelServer

SUMS = [{"text": f"What is {n} + {n}?", "answer": str(2 * n), "domain": "sums"} for n in range(3)]
LOCAL, CLOUD = "qwen3:8b", "gpt-4o-mini"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sums.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in SUMS), "utf-8")
    return path


def knowing(messages: Sequence[Any]) -> str:
    """Know two of three sums."""
    text = str(messages[-1]["content"])
    known = {"0 + 0": "0", "1 + 1": "2"}
    return "Answer: " + next((said for sum_, said in known.items() if sum_ in text), "5")


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Any:
    with ModelServer(knowing, models=(LOCAL, CLOUD), prices={CLOUD: (0.15, 0.6)}) as served:
        monkeypatch.setenv("OLLAMA_HOST", served.url)
        monkeypatch.setenv("AGORA_OLLAMA__MODELS", f"['{LOCAL}']")
        yield served


def test_every_expert_is_asked_and_graded(agora: Agora, models: ModelServer, file: Path) -> None:
    said = agora("calibrate", file, "--json")
    assert said.code == 0 and said.json["cost_usd"] == 0
    assert {(one["right"], one["outcomes"]) for one in said.json["experts"]} == {(2, 3)}
    assert said.json["answers"] == len(models.exchanges) == 3 * len(said.json["experts"])
    known = {one["name"]: one for one in agora("experts", "--json").json["experts"]}
    assert known[f"generalist@{LOCAL}"]["right"] == 2


def test_the_same_file_asks_and_counts_nothing_twice(
    agora: Agora, models: ModelServer, file: Path
) -> None:
    agora("calibrate", file)
    asked = len(models.exchanges)
    said = agora("calibrate", file)
    assert said.code == 0 and "2 of 3" in said.out
    assert len(models.exchanges) == asked
    known = {one["name"]: one for one in agora("experts", "--json").json["experts"]}
    assert known[f"generalist@{LOCAL}"]["outcomes"] == 3


def test_what_could_cost_money_is_not_begun_unasked(
    agora: Agora, models: ModelServer, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", models.openai_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    said = agora("calibrate", file, "--json")
    assert said.code == 2 and "could cost" in said.error["message"]
    assert "--budget" in said.error["hint"] and not models.exchanges
    within = agora("calibrate", file, "--budget", "0.003", "--json")
    assert within.code == 0 and 0 < within.json["cost_usd"] <= 0.003
    assert within.json["cost_usd"] == pytest.approx(models.served(CLOUD).usd)


def test_without_a_model_there_is_nobody_to_calibrate(agora: Agora, file: Path) -> None:
    said = agora("calibrate", file, "--json")
    assert said.code == 1 and "OLLAMA_HOST" in said.error["hint"]


def test_a_file_that_cannot_be_read_is_named(agora: Agora, file: Path, tmp_path: Path) -> None:
    assert "none.jsonl" in agora("calibrate", tmp_path / "none.jsonl", "--json").error["message"]
    file.write_bytes(b"\xff\xfe")
    said = agora("calibrate", file, "--json")
    assert said.code == 2 and "UTF-8" in said.error["message"]
