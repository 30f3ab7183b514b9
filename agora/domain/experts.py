"""Experts: what a prompt file declares, the two that are built in, and who may bid with what."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Protocol

import snowballstemmer  # type: ignore[import-untyped]  # ships no annotations
from pydantic import Field, ValidationError, field_validator

from agora.domain.contracts import Contract
from agora.domain.errors import SettingsError

GENERAL = "general"
"""The domain of those who take any task; also that of a text which no declared word speaks of."""
GENERAL_OVERLAP = 0.5
"""Overlap of a generalist with a task of another domain; a declared domain has 1."""

NAME = r"[a-z][a-z0-9_-]*"
Domains = dict[str, tuple[str, ...]]


class Model(Protocol):
    """What the market knows of a model of the catalogue."""

    @property
    def name(self) -> str:
        """Return the model's name, unique in the catalogue."""

    @property
    def family(self) -> str:
        """Return whom it descends from: members of a family err together."""

    @property
    def residency(self) -> str:
        """Return where it runs: "local", else a place in the cloud."""


class ExpertError(SettingsError):
    """A file that should declare an expert does not."""


class Expert(Contract):
    """Who can bid: a department, domains with the words that speak of them, and a way to work."""

    name: str = Field(pattern=f"^{NAME}$")
    version: int = Field(ge=1)
    department: str = Field(min_length=1)
    domains: Domains = Field(min_length=1)  # name → words of a task that speak of it
    models: tuple[str, ...] = Field(min_length=1)  # local, cloud, names or globs; () if built in
    tools: tuple[str, ...] = ()  # names or globs
    bids: bool = True  # False: works for the team itself, not for tasks
    keeps: tuple[str, ...] = ()  # what every wording of its prompt must say, word for word
    description: str = Field(min_length=1)
    system: str = Field(min_length=1)

    @field_validator("domains", mode="before")
    @classmethod
    def _without_words(cls, given: Any) -> Any:
        are_names = isinstance(given, list | tuple) and all(isinstance(n, str) for n in given)
        return dict.fromkeys(given, ()) if are_names else given


def _built_in(name: str, department: str, domain: str, words: str, description: str) -> Expert:
    return Expert.model_construct(
        name=name,
        version=1,
        department=department,
        domains={domain: tuple(words.split())},
        models=(),
        tools=(),
        description=description,
        system="",
    )


REPAIRER = _built_in(
    "repairer",
    "Tools",
    "repair",
    "fix bug broken failing traceback patch",
    "Repairs a tool by searching for a patch that its tests accept.",
)
LIBRARIAN = _built_in(
    "librarian",
    "Knowledge",
    "documents",
    "document docs readme file manual handbook says",
    "Answers from the workspace's own documents, with quotations.",
)
BUILT_IN = (REPAIRER, LIBRARIAN)


@dataclass(frozen=True)
class Bidder:
    """An expert on one model that it admits; without a model the expert is built in."""

    expert: Expert
    model: Model | None = None

    @property
    def name(self) -> str:
        """Return how standings know this bidder; the same as `Bid.name`."""
        return f"{self.expert.name}@{self.model.name}" if self.model else self.expert.name

    @property
    def family(self) -> str:
        """Return the model's family; a built-in expert is one of its own."""
        return self.model.family if self.model else self.expert.name


def parse(source: str, name: str, matter: Mapping[str, Any], body: str) -> Expert:
    """Read an expert from its file's front matter and text; raise ExpertError naming the field."""
    fields = {**matter, "name": name, "system": body}
    try:
        return Expert.model_validate(fields)
    except ValidationError as error:
        raise _explain(source, error) from None


def _explain(source: str, error: ValidationError) -> ExpertError:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    allowed = ", ".join(key for key in Expert.model_fields if key not in ("name", "system"))
    if first["type"] == "extra_forbidden":
        return ExpertError(f"{source}: unknown field {field}", f"allowed here: {allowed}")
    if first["type"] == "missing":
        return ExpertError(f"{source}: {field} is missing", f"an expert declares {allowed}")
    return ExpertError(f"{source}: {field}: {first['msg']}", f"got {first['input']!r}")


def bidders(experts: Iterable[Expert], models: Sequence[Model]) -> list[Bidder]:
    """Return each built-in expert once, each other one with every model that it admits.

    An expert's models stand in the order of its own list: the first choice first.
    """
    return [
        Bidder(expert, model)
        for expert in experts
        for model in ([None] if expert in BUILT_IN else _admitted(expert, models))
    ]


def _admitted(expert: Expert, models: Sequence[Model]) -> list[Model]:
    wanted = (model for pattern in expert.models for model in models if _admits(pattern, model))
    return list({model.name: model for model in wanted}.values())


def _admits(pattern: str, model: Model) -> bool:
    if pattern in ("local", "cloud"):
        return (model.residency == "local") == (pattern == "local")
    return fnmatchcase(model.name, pattern)


@lru_cache(maxsize=10_000)
def overlap(domains: tuple[str, ...], task_domain: str) -> float:
    """Return how far an expert's domains cover the task's, in [0, 1]."""
    declared = {domain.casefold() for domain in domains}
    if task_domain.casefold() in declared:
        return 1.0
    return GENERAL_OVERLAP if GENERAL in declared else 0.0


def mixed_overlap(domains: Iterable[str], mix: Mapping[str, float]) -> float:
    """Return the overlap with a task whose domain is a mix of weights that add up to 1."""
    declared = tuple(domains)
    return min(1.0, sum(weight * overlap(declared, domain) for domain, weight in mix.items()))


def declared_domains(experts: Iterable[Expert]) -> Domains:
    """Return all domains that experts declare, each with all the words that speak of it."""
    joined: dict[str, tuple[str, ...]] = {}
    for expert in experts:
        for domain, words in expert.domains.items():
            joined[domain] = (*joined.get(domain, ()), *words)
    return joined


def predict_domain(text: str, domains: Mapping[str, Iterable[str]]) -> dict[str, float]:
    """Return the mix of domains that a text speaks of: weights that add up to 1.

    A domain weighs as many of its words (its name counts too) as the text has, in any inflection;
    one half more word stands for `general`, which has it all where no word is found.
    """
    spoken = frozenset(_stems(text))
    found = {
        domain: len(spoken & _stems_of(domain, *words))
        for domain, words in domains.items()
        if domain != GENERAL
    }
    total = sum(found.values()) + 0.5
    mix = {domain: count / total for domain, count in found.items() if count}
    return mix | {GENERAL: 0.5 / total}


@lru_cache(maxsize=1000)
def _stems_of(*words: str) -> frozenset[str]:
    return frozenset(_stems(" ".join(words)))


def _stems(text: str) -> list[str]:
    return [_stem(word) for word in re.findall(r"[^\W\d_]{2,}", text.casefold())]


@lru_cache(maxsize=20_000)
def _stem(word: str) -> str:
    stemmed: str = snowballstemmer.stemmer("english").stemWord(word)
    return stemmed


def words_of(text: str) -> set[str]:
    """Return the stems of the words of four letters and more: what a text is about."""
    return {stem for stem in _stems(text) if len(stem) > 3}
