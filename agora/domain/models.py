"""The catalogue: what models can do, what they cost, and where they run."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import Field, ValidationError

from agora.domain.contracts import Contract
from agora.domain.errors import SettingsError
from agora.domain.servers import checked, is_private, ollama_url, server_of
from agora.domain.settings import Settings

SHIPPED = Path(__file__).parents[2] / "config" / "models.yaml"
OPENAI_URL = "https://api.openai.com/v1"

Vendor = Literal["ollama", "openai"]


class Spent(Contract):
    """What a call has used up; an estimate where the server did not say."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0
    is_estimate: bool = False

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
    capabilities: tuple[Literal["tools", "json", "vision", "reasoning"], ...] = ()
    slots: int = Field(default=1, ge=1)  # requests that it serves at a time


class PricedTraits(Traits):
    """The same for vendors that are paid: without a price there is no entry."""

    usd_in: float = Field(ge=0)
    usd_out: float = Field(ge=0)


class Entries(Contract):
    """The content of one models.yaml, by vendor and name."""

    ollama: dict[str, Traits] = {}
    openai: dict[str, PricedTraits] = {}


class Model(Contract):
    """One model on one server; prices in USD per million tokens."""

    name: str
    vendor: Vendor
    family: str
    residency: Literal["local", "cloud"]
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
        return server_of(self.base_url)

    def spent(
        self, tokens_in: int, tokens_out: int, *, cached: int = 0, is_estimate: bool = False
    ) -> Spent:
        """Return what these tokens cost here; `cached` of the tokens in came from a cache."""
        cached = min(cached, tokens_in)
        micro_usd = (
            (tokens_in - cached) * self.usd_in
            + cached * self.usd_cached
            + tokens_out * self.usd_out
        )
        return Spent(
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            cost_usd=micro_usd / 1e6,
            is_estimate=is_estimate,
        )


def tokens_of(text: str) -> int:
    """Return an estimate of a text's tokens: four bytes of UTF-8 each, rounded up."""
    return ceil(len(text.encode("utf-8", "replace")) / 4)


def expected_cost(model: Model, text_tokens: int, answer_tokens: int) -> float:
    """Return the cost in USD of a call whose answer is as long as it may be."""
    return model.spent(text_tokens, answer_tokens).cost_usd


@dataclass(frozen=True)
class Catalogue:
    """Everything known of models, and the servers that the settings name."""

    traits: Mapping[Vendor, Mapping[str, Traits]]  # by name
    settings: Settings

    @classmethod
    def load(cls, path: Path, settings: Settings) -> Self:
        """Read `path`, then models.yaml in the data folder; raise SettingsError."""
        files = [path, *(own for own in (_own(settings),) if own.is_file())]
        entries = [_read(file) for file in files]
        ollama = {name: traits for e in entries for name, traits in e.ollama.items()}
        openai = {name: traits for e in entries for name, traits in e.openai.items()}
        return cls({"ollama": ollama, "openai": openai}, settings)

    def names(self, vendor: Vendor) -> tuple[str, ...]:
        """Return the names that have an entry."""
        return tuple(self.traits[vendor])

    def model(self, vendor: Vendor, name: str) -> Model:
        """Return a model with all that is known; raise SettingsError for one without a price."""
        url = self.ollama_url if vendor == "ollama" else self.openai_url
        known = self._known(vendor, name)
        # A paid model stays one behind a private address: what listens there is a gateway.
        is_local = is_private(url) and not _is_remote(vendor, name)
        is_local = is_local and (vendor == "ollama" or known is None)
        if known is None and not is_local and (vendor == "openai" or _is_remote(vendor, name)):
            raise self._unpriced(vendor, name)
        traits = known or Traits(family=family_of(name), capabilities=("tools", "json"))
        facts = traits.model_dump()
        facts["usd_cached"] = traits.usd_in if traits.usd_cached is None else traits.usd_cached
        facts["residency"] = "local" if is_local else "cloud"
        return Model(name=name, vendor=vendor, base_url=url, **facts)

    @property
    def ollama_url(self) -> str:
        """Return where Ollama is, with scheme and port."""
        return checked("ollama.host", ollama_url(self.settings.ollama.host or "127.0.0.1"))

    @property
    def openai_url(self) -> str:
        """Return the base URL of the OpenAI-compatible server."""
        return checked("openai.base_url", self.settings.openai.base_url or OPENAI_URL).rstrip("/")

    def _unpriced(self, vendor: Vendor, name: str) -> SettingsError:
        entry = f"{vendor}: {{{name}: {{family: …, context: …, usd_in: …, usd_out: …}}}}"
        return SettingsError(
            f"no price is known for the {vendor} model {name}",
            f"add `{entry}` to {_own(self.settings)}",
        )

    def _known(self, vendor: Vendor, name: str) -> Traits | None:
        of = self.traits[vendor]
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


def _is_remote(vendor: Vendor, name: str) -> bool:
    # Ollama's cloud models are listed beside the local ones, but run elsewhere.
    return vendor == "ollama" and name.endswith(("-cloud", ":cloud"))


def _own(settings: Settings) -> Path:
    return settings.folder / "models.yaml"


def _read(path: Path) -> Entries:
    try:
        return Entries.model_validate(yaml.safe_load(path.read_text("utf-8")) or {})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{path}: {key}: {first['msg']}", "see config/models.yaml") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        where = " ".join(str(error).split())
        raise SettingsError(f"{path}: cannot be read ({where})", "see config/models.yaml") from None
