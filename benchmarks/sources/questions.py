"""Pairs of questions that look alike: may the answer to one be served for the other?

Sources: fow-cache, (c) 2026 Mabon ap Gwyn, CC BY 4.0; and Zhang, Baldridge and He 2019, "PAWS:
Paraphrase Adversaries from Word Scrambling", whose pairs are statements.
"""

import json
import random
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.sources.checkout import (
    Checkout,
    Origin,
    Part,
    SourceError,
    find_origin,
    warn,
)

FOW = Origin("Maby0/fow-cache", "cbcd09ca0d2af60581dd77ed784aba5053f08c78", "data/pairs.jsonl")
PAWS = Origin("hoangdzung/simmat", "7e55b810e8c462041e8de83cdfddfd429dff6996", "data/final/dev.tsv")
KINDS = {"entity_swap": "entity", "number_date": "number"}
PAWS_ROWS = 2000
PAWS_SEED = 4101
Row = dict[str, Any]


def derive(folders: Sequence[Path], part: Part) -> dict[str, list[Row]]:
    """Return the public pairs by file; those that this project wrote itself are not among them.

    Without one of the two checkouts its rows are left out, with a warning.
    """
    if part != "dev":
        raise SourceError("only the development part of cache can be derived: --part dev")
    rows = []
    for origin, read in ((FOW, _fow), (PAWS, _paws)):
        if checkout := find_origin(origin, folders):
            rows += read(checkout)
        else:
            warn(f"no checkout of {origin.repository} given: its rows are left out")
    if not rows:
        raise SourceError("cache is derived from fow-cache and PAWS-Wiki: give --source for each")
    return {"dev.csv.gz": rows}


def _fow(checkout: Checkout) -> list[Row]:
    lines = checkout.read(FOW.landmark).decode().splitlines()
    return [_fow_row(json.loads(line)) for line in lines if line]


def _fow_row(pair: Row) -> Row:
    return {
        "pair_id": f"fow:{pair['id']}",
        "source": "fow",
        "question_a": pair["a"],
        "question_b": pair["b"],
        "same_answer": int(pair["same_answer"]),
        "kind": KINDS.get(pair["category"], pair["category"]),
    }


def _paws(checkout: Checkout) -> list[Row]:
    """Return as many pairs as the project's data has, drawn with its seed."""
    lines = checkout.read(PAWS.landmark).decode().split("\n")
    pairs = [line.split("\t") for line in lines if line]
    usable = [p for p in pairs if len(p) == 4 and p[3].strip() in ("0", "1") and p[1] != p[2]]
    usable.sort(key=lambda pair: sha256("\t".join(pair[:3]).encode()).hexdigest())
    drawn = random.Random(PAWS_SEED).sample(usable, min(PAWS_ROWS, len(usable)))
    return [_paws_row(number, a, b, int(label)) for number, a, b, label in drawn]


def _paws_row(number: str, a: str, b: str, label: int) -> Row:
    return {
        "pair_id": f"paws:dev:{number}",
        "source": "paws_wiki",
        "question_a": a,
        "question_b": b,
        "same_answer": label,
        "kind": "paraphrase" if label else "swap",
    }
