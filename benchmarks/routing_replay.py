"""Recorded outcomes as a market: experts whose model is a replay, and the product's auction.

Money is in m$ (0.001 USD) here, as in the data; the auction gets USD.
"""

import csv
import gzip
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from agora.domain import auction, difficulty, standings
from agora.domain.auction import Ask, Auction, Offer, Stakes, Terms
from agora.domain.contracts import Json

NO_TERMS: Mapping[str, Json] = {}
ANY_DOMAIN = {"": 1.0}
"""A domain of which nothing is known: what is said of it is said of the bidder."""


class UnreadableError(Exception):
    """A folder does not hold what a benchmark reads; says what is missing."""


@dataclass(frozen=True)
class Replay:
    """One model of models.csv, as a bidder."""

    name: str
    usd_in: float  # per token
    usd_out: float
    ttft_s: float
    tokens_per_s: float
    slots: int
    suites: tuple[str, ...]
    is_local: bool = False

    @property
    def bidder(self) -> str:
        """Return its name in standings."""
        return f"{self.name}@{self.name}"

    def cost_musd(self, row: "Row", tokens: float) -> float:
        """Return the price of an answer of so many tokens."""
        return 1000 * (row.tokens_in * self.usd_in + tokens * self.usd_out)

    def service_s(self, tokens: float) -> float:
        """Return how long it works on such an answer."""
        return self.ttft_s + tokens / self.tokens_per_s


@dataclass(frozen=True)
class Row:
    """One question, with what each model made of it (empty where the data hides it)."""

    item_id: str
    suite: str
    domain: str
    tokens_in: int
    prompt: str
    right: dict[str, bool]
    tokens: dict[str, int]

    @cached_property
    def traits(self) -> dict[str, float]:
        """Return the traits of its text."""
        return difficulty.traits(self.prompt, self.tokens_in)

    def ease(self, state: Json) -> float:
        """Return how easy its text makes it, in logits, as far as is known."""
        return difficulty.ease(state["difficulty"], self.traits)

    def utility(self, model: Replay | None, price: float) -> float:
        """Return right − price × m$; 0 when nobody was asked."""
        if model is None:
            return 0.0
        spent = model.cost_musd(self, self.tokens[model.name])
        return self.right[model.name] - price * spent


def read_models(folder: Path) -> list[Replay]:
    """Read models.csv, in its order."""
    path = folder / "models.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [_model(fields) for fields in csv.DictReader(file)]
    except (OSError, ValueError, KeyError) as error:
        raise UnreadableError(f"{path} cannot be read: {error!r}") from error


def _model(fields: dict[str, str]) -> Replay:
    return Replay(
        name=fields["model"],
        usd_in=float(fields["usd_per_1k_in"]) / 1000,
        usd_out=float(fields["usd_per_1k_out"]) / 1000,
        ttft_s=float(fields["ttft_s"]),
        tokens_per_s=float(fields["tokens_per_s"]),
        slots=int(fields["slots"]),
        suites=tuple(fields["suites"].split("|")),
        is_local=fields["kind"] == "local",
    )


def read_rows(folder: Path) -> list[Row]:
    """Read the one *.csv.gz of a folder; outcome columns may be missing."""
    found = sorted(folder.glob("*.csv.gz"))
    if len(found) != 1:
        raise UnreadableError(f"{folder} must hold one *.csv.gz, it holds {len(found)}")
    try:
        with gzip.open(found[0], "rt", newline="", encoding="utf-8") as file:
            rows = [_row(fields) for fields in csv.DictReader(file)]
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise UnreadableError(f"{found[0]} cannot be read: {error!r}") from error
    if not rows:
        raise UnreadableError(f"{found[0]} has no rows")
    return rows


def _row(fields: dict[str, str]) -> Row:
    return Row(
        item_id=fields["item_id"],
        suite=fields["suite"],
        domain=fields["domain"],
        tokens_in=int(fields["in_tokens"]),
        prompt=fields["prompt"],
        right={name: bool(ok) for name, ok in _columns(fields, "ok_").items()},
        tokens=_columns(fields, "tok_"),
    )


def _columns(fields: dict[str, str], prefix: str) -> dict[str, int]:
    found = {key: value for key, value in fields.items() if key.startswith(prefix) and value}
    return {key.removeprefix(prefix): int(value) for key, value in found.items()}


def event(row: Row, model: Replay, **more: Any) -> Json:
    """Return the judged outcome of a model on a question."""
    tokens = row.tokens[model.name]
    return {
        "bidder": model.bidder,
        "domain": row.domain,
        "right": row.right[model.name],
        "tokens_out": tokens,
        "latency_s": model.service_s(tokens),
        "cost_usd": model.cost_musd(row, tokens) / 1000,
        "traits": row.traits,
    } | more


def calibrated(rows: Iterable[Row], models: Sequence[Replay], state: Json | None = None) -> Json:
    """Return standings after all models have done all rows, as `agora calibrate` does."""
    state = state or standings.empty()
    for row in rows:
        for model in models:
            if model.name in row.right:
                state = standings.step(state, event(row, model, is_graded=True))
    return state


@dataclass(frozen=True)
class Market:
    """The models that bid, the value of a right answer in m$ and the price of a second."""

    models: tuple[Replay, ...]
    value_musd: float
    second_musd: float = 0.0

    @property
    def stakes(self) -> Stakes:
        """Return the same in USD."""
        return Stakes(self.value_usd, self.second_musd / 1000)

    @property
    def value_usd(self) -> float:
        """Return the value of a right answer in USD."""
        return self.value_musd / 1000

    def offers(self, state: Json, row: Row, terms: Mapping[str, Json] = NO_TERMS) -> list[Offer]:
        """Return all models' offers for a question; `terms` adds queues and claims, by model."""
        ask = Ask({row.domain: 1.0}, self.stakes, ease=row.ease(state))
        return [
            auction.offer(
                state, model.name, model.name, ask, _terms(model, row, terms.get(model.name, {}))
            )
            for model in self.models
        ]

    def hold(
        self, state: Json, row: Row, terms: Mapping[str, Json] = NO_TERMS
    ) -> tuple[Replay | None, Auction]:
        """Return the winner of a question, and the auction."""
        held = auction.hold(self.offers(state, row, terms), self.stakes)
        winner = held.award.winner.model if held.award else None
        return next((one for one in self.models if one.name == winner), None), held

    def best_fixed(self, rows: Sequence[Row]) -> Replay:
        """Return the one model that would have gained most on these rows."""
        price = 1 / self.value_musd
        return max(self.models, key=lambda one: sum(row.utility(one, price) for row in rows))

    def cheapest(self, state: Json, row: Row) -> Replay:
        """Return who asks least for a task of this size; among equals the quickest."""
        tokens = {
            one: standings.expected_tokens(state, one.bidder, ANY_DOMAIN) for one in self.models
        }
        return min(
            tokens, key=lambda one: (one.cost_musd(row, tokens[one]), one.service_s(tokens[one]))
        )

    def strongest(self, state: Json) -> Replay:
        """Return who is right most often; where nothing is known, the dearest."""
        p = {one: standings.p_success(state, one.bidder, ANY_DOMAIN)[0] for one in self.models}
        return max(p, key=lambda one: (p[one], one.usd_out))


def _terms(model: Replay, row: Row, more: Json) -> Terms:
    return Terms(
        cost_usd=lambda tokens: model.cost_musd(row, tokens) / 1000,
        service_s=model.service_s,
        **more,
    )


def shuffled(rows: Sequence[Row], seed: int) -> list[Row]:
    """Return the rows in a random order."""
    return random.Random(seed).sample(rows, len(rows))


def suites_of(rows: Iterable[Row]) -> list[str]:
    """Return the suites of the rows, as they come."""
    return list(dict.fromkeys(row.suite for row in rows))


def bidders_of(models: Iterable[Replay], suite: str) -> tuple[Replay, ...]:
    """Return the models that were run on a suite."""
    return tuple(one for one in models if suite in one.suites)
