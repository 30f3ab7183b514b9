"""The catalogue: what models can do, what they cost, and where they run."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import ConfigDict, Field, ValidationError

from agora.domain.contracts import Contract
from agora.domain.errors import SettingsError
from agora.domain.servers import checked, is_private, ollama_url, server_of
from agora.domain.settings import Settings
from agora.domain.sources import LOADER

SHIPPED = Path(__file__).parents[2] / "config" / "models.yaml"
OPENAI_URL = "https://api.openai.com/v1"

OWN_VENDORS = ("ollama", "openai")
"""Vendors whose clients come with Agora; others are plugged in by the group `agora.vendors`."""


class Spent(Contract):
    """What a call has used up; an estimate where the server did not say."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0
    is_estimate: bool = False

    @property
    def tokens(self) -> int:
        """Return the tokens in both directions."""
        return self.tokens_in + self.tokens_out

    def __add__(self, other: "Spent") -> "Spent":
        """Return both together."""
        return Spent(
            tokens_in=self.tokens_in + other.tokens_in,
            tokens_out=self.tokens_out + other.tokens_out,
            cost_usd=self.cost_usd + other.cost_usd,
            is_estimate=self.is_estimate or other.is_estimate,
        )


class Traits(Contract):
    """What models.yaml says of a model; prices in USD per million tokens."""

    family: str
    context: int = Field(default=8192, ge=512)  # tokens, prompt and answer together
    usd_in: float = Field(default=0.0, ge=0)
    usd_cached: float | None = Field(default=None, ge=0)  # None: as usd_in
    usd_out: float = Field(default=0.0, ge=0)
    residency: str | None = Field(default=None, pattern="^[a-z][a-z0-9-]*$")  # such as eu
    capabilities: tuple[Literal["tools", "json", "vision", "reasoning"], ...] = ()
    slots: int = Field(default=1, ge=1)  # requests that it serves at a time


class PricedTraits(Traits):
    """The same for vendors that are paid: without a price there is no entry."""

    usd_in: float = Field(ge=0)
    usd_out: float = Field(ge=0)


class Entries(Contract):
    """The content of one models.yaml, by vendor and name."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, dict[str, Traits]]  # vendors that are plugged in

    ollama: dict[str, Traits] = {}
    openai: dict[str, PricedTraits] = {}

    @property
    def by_vendor(self) -> dict[str, Mapping[str, Traits]]:
        """Return all entries, by vendor and name."""
        return {"ollama": self.ollama, "openai": self.openai, **(self.__pydantic_extra__ or {})}


class Model(Contract):
    """One model on one server; prices in USD per million tokens."""

    name: str
    vendor: str
    family: str
    residency: str  # "local", else where its cloud is, "cloud" if that is unknown
    context: int
    base_url: str
    usd_in: float = 0.0
    usd_cached: float = 0.0
    usd_out: float = 0.0
    capabilities: tuple[str, ...] = ()
    slots: int = 1

    @property
    def server(self) -> str:
        """Return the server's address for messages: without path, user and password."""
        return server_of(self.base_url) if self.base_url else self.vendor

    def spent(
        self, tokens_in: int, tokens_out: int, *, cached: int = 0, is_estimate: bool = False
    ) -> Spent:
        """Return what these tokens cost here; `cached` of the tokens in came from a cache."""
        return Spent(
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            cost_usd=self.price_usd(tokens_in, tokens_out, cached=cached),
            is_estimate=is_estimate,
        )

    def price_usd(self, tokens_in: int, tokens_out: int, *, cached: int = 0) -> float:
        """Return the same as a number alone, in USD: an auction asks for hundreds."""
        cached = min(cached, tokens_in)
        micro_usd = (
            (tokens_in - cached) * self.usd_in
            + cached * self.usd_cached
            + tokens_out * self.usd_out
        )
        return micro_usd / 1e6


def tokens_of(text: str) -> int:
    """Return an estimate of a text's tokens: four bytes of UTF-8 each, rounded up."""
    return ceil(len(text.encode("utf-8", "replace")) / 4)


def most_spent(model: Model, sent: int, answer_tokens: int) -> Spent:
    """Return what a call may use up at its longest answer; `sent` is an estimate of the prompt."""
    return estimated(model, sent, answer_tokens)


def estimated(model: Model, sent: int, received: int) -> Spent:
    """Return what a call has used up of which the server gave no count, rather too much."""
    return model.spent(roomy(sent), received, is_estimate=True)


def roomy(sent: int) -> int:
    """Return the tokens that a prompt may really have which is estimated at so many: a third more.

    Code and most languages have fewer bytes a token than the four of the estimate.
    """
    return ceil(sent * 4 / 3)


@dataclass(frozen=True)
class Catalogue:
    """Everything known of models, and the servers that the settings name."""

    traits: Mapping[str, Mapping[str, Traits]]  # by vendor and name
    settings: Settings

    @classmethod
    def load(cls, path: Path, settings: Settings) -> Self:
        """Read `path`, then models.yaml in the data folder; raise SettingsError."""
        files = [path, *(own for own in (_own(settings),) if own.is_file())]
        known: dict[str, dict[str, Traits]] = {}
        for file in files:
            for vendor, models in _read(file).by_vendor.items():
                if vendor not in (*OWN_VENDORS, *settings.vendors):
                    hint = f"one of {', '.join((*OWN_VENDORS, *settings.vendors))}"
                    raise SettingsError(f"{file}: no vendor {vendor} is configured", hint)
                known[vendor] = known.get(vendor, {}) | dict(models)
        return cls(known, settings)

    def names(self, vendor: str) -> tuple[str, ...]:
        """Return the names that have an entry."""
        return tuple(self.traits.get(vendor, ()))

    def model(self, vendor: str, name: str) -> Model:
        """Return a model with all that is known; raise SettingsError for one without a price."""
        url, known = self._url(vendor), self._known(vendor, name)
        is_local = self._is_local(vendor, name, url, known)
        if not is_local and not _has_price(vendor, name, known):
            raise self._unpriced(vendor, name)
        traits = known or Traits(family=family_of(name), capabilities=("tools", "json"))
        facts = traits.model_dump()
        facts["usd_cached"] = traits.usd_in if traits.usd_cached is None else traits.usd_cached
        facts["residency"] = "local" if is_local else traits.residency or "cloud"
        return Model(name=name, vendor=vendor, base_url=url, **facts)

    def _url(self, vendor: str) -> str:
        if vendor in OWN_VENDORS:
            return self.ollama_url if vendor == "ollama" else self.openai_url
        given = self.settings.vendors[vendor].base_url
        return checked(f"vendors.{vendor}.base_url", given) if given else ""

    @staticmethod
    def _is_local(vendor: str, name: str, url: str, known: Traits | None) -> bool:
        """Return whether a model runs here: where it is said to be elsewhere, it does not.

        A paid model stays one behind a private address: what listens there is a gateway.
        """
        is_here = bool(url) and is_private(url) and not _is_remote(vendor, name)
        is_elsewhere = known is not None and known.residency not in (None, "local")
        return is_here and not is_elsewhere and (vendor == "ollama" or not _is_paid(known))

    @property
    def ollama_url(self) -> str:
        """Return where Ollama is, with scheme and port."""
        return checked("ollama.host", ollama_url(self.settings.ollama.host or "127.0.0.1"))

    @property
    def openai_url(self) -> str:
        """Return the base URL of the OpenAI-compatible server."""
        return checked("openai.base_url", self.settings.openai.base_url or OPENAI_URL).rstrip("/")

    def _unpriced(self, vendor: str, name: str) -> SettingsError:
        entry = f"{vendor}: {{{name}: {{family: …, context: …, usd_in: …, usd_out: …}}}}"
        return SettingsError(
            f"no price is known for the {vendor} model {name}",
            f"add `{entry}` to {_own(self.settings)}",
        )

    def _known(self, vendor: str, name: str) -> Traits | None:
        of = self.traits.get(vendor, {})
        if vendor == "ollama" and not _is_remote(vendor, name):
            return of.get(name) or of.get(name.partition(":")[0])
        return of.get(name)


def family_of(name: str) -> str:
    """Return the leading word of a name: `vendor/Qwen3-8B` and `qwen3:8b` are both `qwen`."""
    word = name.rpartition("/")[2].partition(":")[0].lower()
    for i, char in enumerate(word):
        if not char.isalpha():
            return word[:i] or word
    return word


def _is_paid(known: Traits | None) -> bool:
    return known is not None and known.usd_in + known.usd_out > 0


def _has_price(vendor: str, name: str, known: Traits | None) -> bool:
    """Return whether a model away from here may be asked: all but Ollama's own are paid."""
    if vendor == "ollama" and not _is_remote(vendor, name):
        return True
    return known is not None and {"usd_in", "usd_out"} <= known.model_fields_set


def _is_remote(vendor: str, name: str) -> bool:
    # Ollama's cloud models are listed beside the local ones, but run elsewhere.
    return vendor == "ollama" and name.endswith(("-cloud", ":cloud"))


def _own(settings: Settings) -> Path:
    return settings.folder / "models.yaml"


def _read(path: Path) -> Entries:
    try:
        return Entries.model_validate(yaml.load(path.read_text("utf-8"), LOADER) or {})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{path}: {key}: {first['msg']}", "see config/models.yaml") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        where = " ".join(str(error).split())
        raise SettingsError(f"{path}: cannot be read ({where})", "see config/models.yaml") from None
