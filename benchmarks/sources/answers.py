"""Answer letters of 33 models, and six teams of them: what a vote can and cannot mend."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.sources.checkout import Part, is_in, open_origin
from benchmarks.sources.mmlu_pro import EARLIER, ORIGIN, read_records

DEV_PERCENT = 60
FAMILIES = {
    "gpt": "gpt-4o-2024-05-13",
    "gemini": "gemini-1.5-pro-002 gemini-1.5-flash-002",
    "deepseek": "DeepSeek-Coder-V2 DeepSeek-V2-Chat",
    "llama": "Meta-Llama-3_1-70B-Instruct Meta-Llama-3_1-70B Meta-Llama-3-70B "
    "Meta-Llama-3_1-8B-Instruct Meta-Llama-3_1-8B Meta-Llama-3-8B-Instruct "
    "Llama-3-8B-Instruct-quantized Meta-Llama-3-8B Llama-2-70b-hf Llama-2-13b-hf Llama-2-7b-hf",
    "jamba": "jamba-1.5-large",
    "qwen": "Qwen1.5-110B Qwen1.5-72B-Chat Qwen1.5-7B-Chat",
    "yi": "Yi-34B Yi-6B Yi-6b-Chat",
    "mistral": "Mixtral-8x7B-Instruct-v0.1 Mixtral-8x7B-v0.1 mathstral-7B "
    "Mistral-7B-Instruct-v0.2 Mistral-7B-Instruct-v0.1 Mistral-7B-v0.1 Mistral-7B-v0.2-hf",
    "phi": "Phi-3-mini-4k-instruct",
    "cohere": "c4ai-command-r-v01",
    "gemma": "gemma-7b",
}
FAMILY_OF = {model: family for family, models in FAMILIES.items() for model in models.split()}
TEAMS = {
    "A": (
        "5 strongest: four families, the best five by DEV accuracy",
        "gpt-4o-2024-05-13 gemini-1.5-pro-002 gemini-1.5-flash-002 Meta-Llama-3_1-70B-Instruct "
        "DeepSeek-Coder-V2",
    ),
    "B": (
        "5 mid: the next tier, close accuracy, four families, no member shared with A",
        "Meta-Llama-3_1-70B DeepSeek-V2-Chat Meta-Llama-3-70B Qwen1.5-110B jamba-1.5-large",
    ),
    "C": (
        "5 small: one per family with DEV accuracy 35-45 %",
        "Meta-Llama-3_1-8B-Instruct mathstral-7B Yi-34B Phi-3-mini-4k-instruct c4ai-command-r-v01",
    ),
    "D": (
        "1 strong + 4 weak",
        "gemini-1.5-pro-002 Mistral-7B-Instruct-v0.2 Qwen1.5-7B-Chat Yi-6b-Chat Llama-2-13b-hf",
    ),
    "E": (
        "5 mixed: steps of about 5-15 points, five families",
        "gemini-1.5-flash-002 Meta-Llama-3_1-70B Qwen1.5-72B-Chat Mixtral-8x7B-Instruct-v0.1 "
        "gemma-7b",
    ),
    "F": (
        "5 weak open models, five families",
        "gemma-7b Mistral-7B-Instruct-v0.2 Qwen1.5-7B-Chat Yi-6b-Chat Llama-2-13b-hf",
    ),
}
STANDINGS = ("accuracy", "answered", "accuracy_answered")
Row = dict[str, Any]


def derive(folders: Sequence[Path], part: Part) -> dict[str, Any]:
    """Return the answers of a part, the models and the teams, by file.

    Models and teams are always measured on the development part: weights come from there.
    """
    rows = _rows(folders)
    models = {model: _standing(model, rows) for model in FAMILY_OF}
    return {
        f"{part}.csv.gz": [row for row in rows if _is_in(part, row)],
        "models.csv": [_described(model, models[model]) for model in models],
        "teams.json": {name: _team(*team, models) for name, team in TEAMS.items()},
    }


def _rows(folders: Sequence[Path]) -> list[Row]:
    """Return every question, with the key and category that most records have."""
    checkout = open_origin(ORIGIN, folders)
    said: dict[int, Row] = defaultdict(dict)
    keys: dict[int, Counter[tuple[str, str]]] = defaultdict(Counter)
    for model in FAMILY_OF:
        for record in read_records(checkout, model):
            said[record.question_id][model] = record.letter
            keys[record.question_id][record.category, record.key] += 1
    return [
        {"question_id": at, "category": category, "answer": key}
        | {model: said[at].get(model, "") for model in FAMILY_OF}
        for at in sorted(said)
        for category, key in [keys[at].most_common(1)[0][0]]
    ]


def _is_in(part: Part, row: Row) -> bool:
    return is_in(part, f"agora-consensus:{row['question_id']}", DEV_PERCENT)


def _standing(model: str, rows: Sequence[Row]) -> dict[str, float]:
    dev = [row for row in rows if _is_in("dev", row)]
    answered = sum(bool(row[model]) for row in dev)
    right = sum(row[model] == row["answer"] for row in dev)
    shares = (right / len(dev), answered / len(dev), right / answered if answered else 0.0)
    return dict(zip(STANDINGS, shares, strict=True))


def _described(model: str, standing: dict[str, float]) -> Row:
    size = re.search(r"(?:(\d+)x)?(\d+)b\b", model.lower())
    return {
        "model": model,
        "family": FAMILY_OF[model],
        "size_b": int(size[1] or 1) * int(size[2]) if size else "",
        **{name: f"{share:.4f}" for name, share in standing.items()},
        "origin": "history" if model in EARLIER else "zip",
    }


def _team(about: str, members: str, models: dict[str, dict[str, float]]) -> Row:
    return {
        "about": about,
        "members": [
            {"model": model}
            | {f"dev_{name}": round(share, 4) for name, share in models[model].items()}
            for model in members.split()
        ],
    }
