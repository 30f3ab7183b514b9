import json
import random
import re
import runpy
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agora.domain.lessons import Lesson
from tests.needs import FINETUNING
from tests.reading import ROOT

SCRIPT = ROOT / "scripts" / "finetune.py"
THOUGHT = "first one thing, then the other"
QUICK = ("--smoke", "--steps", "100", "--rate", "0.01")
WITHOUT_PACKAGES = (sys.executable, "-S")


@dataclass(frozen=True)
class Told:
    """How the script has ended, and what it has said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Return the one line that it prints."""
        (line,) = self.out.splitlines()
        told: dict[str, Any] = json.loads(line)
        return told


def finetune(*arguments: Any, on: Sequence[str] = (str(FINETUNING / "bin" / "python"),)) -> Told:
    command = [*on, str(SCRIPT), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    return Told(done.returncode, done.stdout, done.stderr)


def lesson(number: int, question: str) -> Lesson:
    return Lesson(
        task_id=f"t{number}",
        question=question,
        answer="yes, it is right",
        reasoning=THOUGHT,
        system="Be brief.",
        expert="generalist",
        model="teacher:8b",
        domain="law",
    )


def write(folder: Path, **parts: Sequence[str]) -> Path:
    """Write a training set that asks these questions, as `agora distil export` would."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, questions in parts.items():
        chats = [lesson(number, asked).as_chat() for number, asked in enumerate(questions)]
        lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in chats)
        (folder / f"{name}.jsonl").write_text(lines, "utf-8")
    return folder


@pytest.fixture(scope="module")
def training_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions that nobody could foretell, and one that is too long; all answers are alike."""
    dice = random.Random(1)
    asked = [" ".join(dice.choices("abcdefghijklmnop", k=12)) for _ in range(46)]
    folder = tmp_path_factory.mktemp("set")
    return write(folder, train=[*asked[:40], "a b c d " * 600], validation=asked[40:])


@pytest.fixture(scope="module")
def tuned(training_set: Path) -> Told:
    return finetune(training_set, *QUICK, "--out", training_set / "tuned")


def tensors(folder: Path) -> set[str]:
    """Return the names in the head of a safetensors file: its length in 8 bytes, then JSON."""
    held = (folder / "adapter_model.safetensors").read_bytes()
    head = json.loads(held[8 : 8 + int.from_bytes(held[:8], "little")])
    return {str(name) for name in head if name != "__metadata__"}


@pytest.mark.needs("finetuning")
def test_the_answers_alone_are_learned(tuned: Told) -> None:
    assert tuned.code == 0, tuned.err
    assert tuned.json["last_loss"] < tuned.json["first_loss"]
    assert tuned.json["validation_accuracy"] > 0.95, "of whole conversations two thirds are noise"


@pytest.mark.needs("finetuning")
def test_what_is_too_long_is_left_out_and_counted(tuned: Told) -> None:
    assert (tuned.json["examples"], tuned.json["too_long"]) == (40, 1)


@pytest.mark.needs("finetuning")
def test_ollama_can_read_what_was_written(tuned: Told, training_set: Path) -> None:
    folder = training_set / "tuned"
    served = (folder / "Modelfile").read_text("utf-8").splitlines()
    assert served[:2] == ["FROM tiny", "ADAPTER ./adapter"]
    assert json.loads((folder / "adapter" / "adapter_config.json").read_text())["lora_alpha"] == 32
    found = tensors(folder / "adapter")
    # What its convert/convert_llama_adapter.go knows how to rename.
    known = r"base_model\.model\.model\.layers\.\d+\.self_attn\.[qkvo]_proj\.lora_[AB]\.weight"
    assert len(found) == 16 and all(re.fullmatch(known, name) for name in found)


@pytest.mark.needs("finetuning")
def test_progress_is_told_in_lines_where_nobody_watches(tuned: Told) -> None:
    assert len(re.findall(r"^\{'loss': ", tuned.err, re.MULTILINE)) == 51
    assert "%|" not in tuned.err, "no bars"
    assert "Warning" not in tuned.err


@pytest.mark.needs("finetuning")
def test_the_same_seed_trains_the_same_model(tuned: Told, training_set: Path) -> None:
    again = finetune(training_set, *QUICK, "--out", training_set / "tuned")
    assert again.json == tuned.json


@pytest.mark.needs("finetuning")
def test_a_model_whose_adapter_ollama_cannot_serve_is_refused(
    training_set: Path, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "qwen3"}')
    told = finetune(training_set, "--base", tmp_path, "--ollama-base", "qwen3:0.6b")
    assert told.code == 2
    assert "Ollama takes no adapter of a qwen3 model; a base of the family llama" in told.err


@pytest.mark.needs("finetuning")
def test_a_base_that_is_nowhere_is_named(training_set: Path, tmp_path: Path) -> None:
    told = finetune(training_set, "--base", tmp_path, "--ollama-base", "smollm2:1.7b")
    assert told.code == 2 and f"{tmp_path}: cannot be loaded (" in told.err.splitlines()[-1]


def test_thoughts_are_part_of_an_answer_only_where_wished(tmp_path: Path) -> None:
    path = write(tmp_path, train=["is it?"]) / "train.jsonl"
    conversations = runpy.run_path(str(SCRIPT))["conversations"]
    (plain,), (thinking,) = conversations(path, False), conversations(path, True)
    assert THOUGHT not in json.dumps(plain)
    assert plain["completion"] == [{"role": "assistant", "content": "yes, it is right"}]
    said = f"<think>\n{THOUGHT}\n</think>\n\nyes, it is right"
    assert thinking["completion"] == [{"role": "assistant", "content": said}]
    assert thinking["prompt"] == plain["prompt"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (None, "train.jsonl: cannot be read (No such file or directory); `agora distil export"),
        ('{"messages": [{"role": "us', "train.jsonl:2: is no conversation; `agora distil check"),
        ('{"messages": []}', "train.jsonl:2: is no conversation"),
        ('{"messages": [{"role": "assistant", "content": "y"}]}', "train.jsonl:2: is no"),
        ("[]", "train.jsonl:2: is no conversation"),
    ],
)
def test_what_is_no_training_set_is_said_in_a_sentence(
    tmp_path: Path, line: str | None, said: str
) -> None:
    if line is not None:
        path = write(tmp_path, train=["is it?"], validation=[]) / "train.jsonl"
        path.write_text(path.read_text("utf-8") + line + "\n", "utf-8")
    told = finetune(tmp_path, "--smoke", "--out", tmp_path / "tuned", on=WITHOUT_PACKAGES)
    assert told.code == 2 and not told.out
    (sentence,) = told.err.splitlines()
    assert said in sentence and not (tmp_path / "tuned").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--base and --ollama-base name a model to train, or --smoke makes a tiny one"),
        (("--base", "x"), "--base and --ollama-base name a model"),
        (("--smoke", "--ollama-base", "a b"), "'a b' cannot stand in a Modelfile; --ollama-base"),
        (("--smoke", "--out", "/dev/null/x"), "/dev/null/x: cannot be written"),
        (("--smoke",), "lacks a package (No module named 'torch'); pip install"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, train=["is it?"], validation=[])
    told = finetune(tmp_path, *arguments, on=WITHOUT_PACKAGES)
    assert told.code == 2 and not told.out
    assert said in told.err.splitlines()[-1] and "Traceback" not in told.err
