"""Recorded answers of language models to MMLU-Pro, one file or folder of files per model.

Source: Wang et al. 2024, "MMLU-Pro: A More Robust and Challenging Multi-Task Language
Understanding Benchmark".
"""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.sources.checkout import Checkout, Origin

ORIGIN = Origin("TIGER-AI-Lab/MMLU-Pro", "f418b116db00b065c2aea046518d8fcf74d39872", "eval_results")
EARLIER = {
    "gpt-4o-2024-05-13": ("eeeb46ca13acc9e60ce45a8dc2fb141ee76600ab", "eval_results/gpt4o"),
    "DeepSeek-V2-Chat": ("eeeb46ca13acc9e60ce45a8dc2fb141ee76600ab", "eval_results/deepseek"),
    "Meta-Llama-3-8B-Instruct": (
        "a05450ec54e38450827bbaa8271f078b8d919b4d",
        "results/Meta-Llama-3-8B-Instruct/CoT/all",
    ),
    "Llama-3-8B-Instruct-quantized": (
        "05c6997b92b6db9fe4379b0cab0649503a811ae6",
        "results/llama-3-8b-quantized/CoT/all",
    ),
}
"""Models whose records only an earlier commit holds: the commit, and the folder."""
LETTERS = "ABCDEFGHIJ"
OUTPUTS = ("model_outputs", "generated_text", "response")


@dataclass(frozen=True)
class Record:
    """What one model made of one question."""

    question_id: int
    category: str
    question: str
    options: tuple[str, ...]
    key: str
    letter: str  # as the source parsed it; empty if there is no such option
    output: str


def read_records(checkout: Checkout, model: str) -> Iterator[Record]:
    """Yield a model's records, in the order of the source; raise SourceError."""
    for text in _texts(checkout, model):
        # Summaries stand among the records, in files of their own or in the same one.
        yield from (_record(entry) for entry in json.loads(text) if isinstance(entry, dict))


def _texts(checkout: Checkout, model: str) -> Iterator[bytes]:
    if model in EARLIER:
        commit, folder = EARLIER[model]
        for path in checkout.names(folder, commit):
            yield checkout.read(path, commit)
        return
    packed = checkout.read(f"eval_results/model_outputs_{model}_5shots.zip")
    with zipfile.ZipFile(io.BytesIO(packed)) as files:
        yield from map(files.read, files.namelist()[:1])


def _record(entry: dict[str, Any]) -> Record:
    letter = entry["pred"] or ""
    return Record(
        question_id=int(entry["question_id"]),
        category=entry["category"],
        question=entry["question"],
        options=tuple(entry["options"]),
        key=entry["answer"],
        letter=letter if letter in LETTERS[: len(entry["options"])] else "",
        output=next((entry[name] for name in OUTPUTS if entry.get(name)), ""),
    )
