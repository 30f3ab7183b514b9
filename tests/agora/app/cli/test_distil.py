import asyncio
import json
import random
import subprocess
from pathlib import Path

import pytest

from agora import team
from benchmarks import evolution_export
from tests.agora.app.cli.conftest import Agora
from tests.model_server import ModelServer
from tests.needs import FINETUNING
from tests.reading import ROOT


@pytest.fixture
def recorded(agora: Agora, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty runs of two models, one of which may teach."""
    monkeypatch.setattr(evolution_export, "RUNS", 40)
    monkeypatch.setattr(evolution_export, "SECRETS", 4)
    monkeypatch.setenv("AGORA_DISTIL__TEACHERS", '["teacher:8b"]')
    dice = random.Random(1)
    planted = evolution_export.secrets(dice)

    async def record() -> None:
        async with team.opened() as current:
            await evolution_export.record(current, dice, planted)

    asyncio.run(record())


def test_without_runs_there_is_nothing_to_learn_from(agora: Agora, tmp_path: Path) -> None:
    assert agora("distil", "stats", "--json").json == {"tasks": []}
    told = agora("distil", "export", tmp_path / "set", "--json")
    assert told.code == 2 and "nothing to learn from" in told.error["message"]
    assert not (tmp_path / "set").exists()


@pytest.mark.usefixtures("recorded")
def test_what_was_done_well_is_counted_exported_and_found_sound(
    agora: Agora, tmp_path: Path
) -> None:
    counted = agora("distil", "stats", "--json").json["tasks"]
    teaching = sum(one["tasks"] for one in counted if one["may_teach"])
    assert sum(one["tasks"] for one in counted) == 40 and 0 < teaching < 40
    assert "may teach" in agora("distil", "stats").out
    told = agora("distil", "export", tmp_path / "set", "--json").json
    assert 0 < told["train"] + told["validation"] <= teaching
    assert told["left_out"]["by a model that is no teacher"] == 40 - teaching
    assert told["files"] == ["README.md", "train.jsonl", "validation.jsonl"]
    checked = agora("distil", "check", tmp_path / "set", "--json")
    assert checked.code == 0 and checked.json["is_sound"]


@pytest.mark.usefixtures("recorded")
def test_a_set_that_was_altered_is_refused(agora: Agora, tmp_path: Path) -> None:
    agora("distil", "export", tmp_path / "set")
    with (tmp_path / "set" / "train.jsonl").open("a", encoding="utf-8") as file:
        file.write("{\n")
    said = agora("distil", "check", tmp_path / "set")
    assert said.code == 1 and "train.jsonl:" in said.out and "is not JSON" in said.out


@pytest.mark.needs("finetuning")
@pytest.mark.usefixtures("recorded")
def test_what_the_team_did_well_trains_a_model_that_joins_on_trial(
    agora: Agora, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = agora("distil", "export", tmp_path / "set", "--json").json
    python, script = FINETUNING / "bin" / "python", ROOT / "scripts" / "finetune.py"
    given = f"--smoke --steps 30 --rate 0.02 --out {tmp_path / 'tuned'}".split()
    done = subprocess.run([python, script, tmp_path / "set", *given], stdout=subprocess.PIPE)
    told = json.loads(done.stdout)
    assert done.returncode == 0 and told["examples"] == exported["train"] and not told["too_long"]
    assert told["last_loss"] < told["first_loss"] and (tmp_path / "tuned" / "Modelfile").exists()
    with ModelServer(models=("qwen3:8b", "mine:1")) as server:  # after `ollama create mine:1`
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        joined = agora("distil", "join", "mine:1", "--beside", "qwen3:8b")
        assert joined.code == 0 and "mine:1 is on trial" in joined.out
        asked = agora("ask", "What is 3 + 4?", "--json").json
    ours = [one for one in asked["bids"] if one["model"] == "mine:1"]
    assert ours and all("it is on trial" in " ".join(one["reasons"]) for one in ours)
    assert asked["status"] == "answered" and asked["bids"][0]["model"] == "qwen3:8b"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "nowhere"), "is no training set"),
        (("join", "mine:1", "--beside", "qwen3:8b"), "no server offers the model mine:1"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    agora: Agora, arguments: tuple[str, ...], said: str
) -> None:
    told = agora("distil", *arguments, "--json")
    assert told.code == 2 and said in told.error["message"]
