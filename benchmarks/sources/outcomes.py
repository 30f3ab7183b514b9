"""Graded answers to exam questions as a market: which model was right, and at what length.

Sources: the records of MMLU-Pro, and those of Ong et al. 2024, "RouteLLM: Learning to Route
LLMs with Preference Data". Prices and speeds are assumptions, told in `docs/benchmarks.md`.
"""

import csv
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.sources import mmlu_pro
from benchmarks.sources.checkout import (
    Checkout,
    Origin,
    Part,
    SourceError,
    find_origin,
    is_in,
    percentile,
    warn,
)

ROUTELLM = Origin(
    "lm-sys/RouteLLM", "0b64fdafe049e596a3f5657c219329f24af24198", "routellm/evals/gsm8k"
)
DEV_PERCENT = 60
KEPT_PERCENT = {"mmlu-pro": 50, "mmlu": 20, "gsm8k": 100}
PROMPT_CHARACTERS = 600
LETTER_ANSWER = 16 * "."  # 4 tokens, where only the letter was recorded
COLUMNS = (
    "model,outcomes_of,kind,usd_per_1k_in,usd_per_1k_out,ttft_s,tokens_per_s,slots,suites".split(
        ","
    )
)
MARKET = """\
local-4b,Phi-3-mini-4k-instruct,local,0.000000,0.000000,0.15,60,2,mmlu-pro
local-8b,Meta-Llama-3_1-8B-Instruct,local,0.000000,0.000000,0.25,35,1,mmlu-pro
local-math-7b,mathstral-7B,local,0.000000,0.000000,0.25,38,1,mmlu-pro
local-30b,Meta-Llama-3_1-70B,local,0.000000,0.000000,0.8,11,1,mmlu-pro
cloud-cheap,gemini-1.5-flash-002,cloud,0.000075,0.000300,0.5,150,64,mmlu-pro
cloud-mid,Meta-Llama-3_1-70B-Instruct,cloud,0.000880,0.000880,0.6,70,64,mmlu-pro
cloud-pricey,jamba-1.5-large,cloud,0.002000,0.008000,0.7,50,64,mmlu-pro
cloud-strong,gemini-1.5-pro-002,cloud,0.001250,0.005000,0.9,60,64,mmlu-pro
pair-weak,mistralai/Mixtral-8x7B-Instruct-v0.1,cloud,0.000600,0.000600,0.4,90,64,mmlu|gsm8k
pair-strong,gpt-4-1106-preview,cloud,0.010000,0.030000,0.9,30,64,mmlu|gsm8k
"""
MODELS = [dict(zip(COLUMNS, line.split(","), strict=True)) for line in MARKET.splitlines()]
Row = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """A question with what each model made of it: right (1) or wrong (0), and its tokens out."""

    suite: str
    domain: str
    stem: str
    prompt: str
    right: dict[str, int]
    tokens: dict[str, int]

    @property
    def item_id(self) -> str:
        """Return the same id for the same words, whatever stands between them."""
        words = " ".join(re.findall(r"[a-z0-9]+", self.stem.lower()))
        return f"q{sha256(words.encode()).hexdigest()[:12]}"

    def is_in(self, part: Part) -> bool:
        """Return whether the market has it: the development part is thinned."""
        if not is_in(part, f"agora-routing:{self.item_id}", DEV_PERCENT):
            return False
        is_dev = is_in("dev", f"agora-routing:{self.item_id}", DEV_PERCENT)
        kept = percentile(f"agora-keep:{self.suite}:{self.item_id}") < KEPT_PERCENT[self.suite]
        return kept or not is_dev

    def row(self) -> Row:
        """Return it with two columns for every model, empty where a model was not asked."""
        names = [model["model"] for model in MODELS]
        return {
            "item_id": self.item_id,
            "suite": self.suite,
            "domain": self.domain,
            "in_tokens": tokens(self.prompt),
            "prompt": self.prompt[:PROMPT_CHARACTERS],
            **{f"ok_{name}": self.right.get(name, "") for name in names},
            **{f"tok_{name}": self.tokens.get(name, "") for name in names},
        }


def derive(folders: Sequence[Path], part: Part) -> dict[str, list[Row]]:
    """Return the questions of a part and the models, by file.

    Without one of the two checkouts its rows are left out, with a warning.
    """
    suites = []
    for origin, read in ((mmlu_pro.ORIGIN, _mmlu_pro), (ROUTELLM, _routellm)):
        if checkout := find_origin(origin, folders):
            suites.append(read(checkout))
        else:
            warn(f"no checkout of {origin.repository} given: its rows are left out")
    if not suites:
        raise SourceError("routing is derived from MMLU-Pro and RouteLLM: give --source for each")
    rows = [one.row() for one in _distinct(chain(*suites)) if one.is_in(part)]
    ordered = sorted(rows, key=lambda row: (row["suite"], row["item_id"]))
    return {f"{part}.csv.gz": ordered, "models.csv": MODELS}


def tokens(text: str) -> int:
    """Return the tokens of a text, four characters each."""
    return round(len(text) / 4)


def _distinct(questions: Iterable[Question]) -> Iterator[Question]:
    """Yield the first of the questions that have the same words."""
    seen = set()
    for question in questions:
        key = question.suite, question.item_id
        if key not in seen:
            seen.add(key)
            yield question


def _mmlu_pro(checkout: Checkout) -> Iterator[Question]:
    """Yield the questions that all models were asked, in the wording that most of them saw."""
    said: dict[int, dict[str, tuple[int, int]]] = defaultdict(dict)
    wordings: dict[int, Counter[tuple[str, str, str]]] = defaultdict(Counter)
    asked = [model for model in MODELS if model["suites"] == "mmlu-pro"]
    for model in asked:
        for record in mmlu_pro.read_records(checkout, model["outcomes_of"]):
            # A model that goes on to a question of its own has ended its answer there.
            length = tokens(record.output.split("\nQuestion:")[0])
            said[record.question_id][model["model"]] = int(record.letter == record.key), length
            wording = record.category, record.question, _prompt(record)
            wordings[record.question_id][wording] += 1
    for at in sorted(said):
        if len(said[at]) == len(asked):
            [((domain, stem, prompt), _)] = wordings[at].most_common(1)
            right = {name: right for name, (right, _) in said[at].items()}
            length_of = {name: length for name, (_, length) in said[at].items()}
            yield Question("mmlu-pro", domain, stem, prompt, right, length_of)


def _prompt(record: mmlu_pro.Record) -> str:
    options = zip(mmlu_pro.LETTERS, record.options, strict=False)
    return "\n".join([record.question, *(f"{letter}. {option}" for letter, option in options)])


def _routellm(checkout: Checkout) -> Iterator[Question]:
    for path in checkout.names("routellm/evals/mmlu/responses"):
        domain = Path(path).stem.removeprefix("mmlu_")
        for row in _clean(checkout, path, "routellm/evals/mmlu"):
            yield _graded("mmlu", domain, row["prompt"].rsplit("\nA. ", 1)[0], row)
    for row in _clean(checkout, "routellm/evals/gsm8k/gsm8k_responses.csv", "routellm/evals/gsm8k"):
        yield _graded("gsm8k", "gsm8k", row["prompt"], row)


def _clean(checkout: Checkout, path: str, folder: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a file, without those that RouteLLM's own benchmark leaves out."""
    listed = checkout.read(f"{folder}/contaminated_prompts.jsonl").decode().splitlines()
    contaminated = {json.loads(line)["eval_prompt"] for line in listed if line}
    for row in csv.DictReader(io.StringIO(checkout.read(path).decode(), newline="")):
        if row["prompt"] not in contaminated:
            yield row


def _graded(suite: str, domain: str, stem: str, row: dict[str, str]) -> Question:
    names = {m["model"]: m["outcomes_of"] for m in MODELS if suite in m["suites"].split("|")}
    right = {name: int(row[theirs] == "True") for name, theirs in names.items()}
    length_of = {
        name: tokens(row.get(f"{theirs}_response", LETTER_ANSWER)) for name, theirs in names.items()
    }
    return Question(suite, domain, stem, row["prompt"], right, length_of)
